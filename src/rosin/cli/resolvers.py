# SPDX-License-Identifier: LGPL-3.0-or-later
"""From what names an instance, such as a job id, to its URI."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.uri_pid import of_pid
from rosin.job.uri import JobURI

if TYPE_CHECKING:
    from rosin.handle.flux import Flux

_URI_SCHEMES = ("local", "ssh")
_SCHEMES = ("jobid", "pid", "slurm", "lsf")
_QUERIES = ("local", "remote", "wait", "is_compute")


def resolve(target: str, wait: bool = False, program: str = "rosin") -> str:
    """The URI of ``[SCHEME:]PLACE[?QUERY]``, or of a URI itself.

    ``wait``: wait until a job has published its URI. ``program`` asks on other hosts. Raises ValueError,
    OSError.
    """
    if not target:
        raise ValueError("TARGET is empty")
    scheme, sep, place = target.partition(":")
    if sep and scheme in _URI_SCHEMES:
        return target
    if not sep:
        scheme, place = "jobid", target
    if scheme not in _SCHEMES:
        raise ValueError(
            f"No plugin for URI scheme {scheme}: there are {', '.join((*_SCHEMES, *_URI_SCHEMES))}"
        )
    place, _, query = place.partition("?")
    queries = query.split("&") if query else []
    for word in queries:
        if word not in _QUERIES:
            raise ValueError(f"{target}: unknown query '{word}': it takes {', '.join(_QUERIES)}")
    if "local" in queries and "remote" in queries:
        raise ValueError("Only one of 'local' or 'remote' is allowed")
    uri = _of(scheme, place, wait or "wait" in queries, "is_compute" in queries, program)
    if "local" in queries:
        return JobURI(uri).local
    return JobURI(uri).remote if "remote" in queries else uri


def reach(target: str, wait: bool = False, program: str = "rosin") -> str:
    """The URI by which to connect to a target from this host; a URI stays what it is. Raises as above."""
    uri = resolve(target, wait, program)
    return uri if uri == target else JobURI(uri).near


def _of(scheme: str, place: str, wait: bool, here: bool, program: str) -> str:
    if scheme == "jobid":
        return resolve_path(place, wait)
    if scheme == "pid":
        return of_pid(place)
    if scheme == "slurm":
        from rosin.cli import slurm

        return slurm.uri(place, program)
    from rosin.cli import lsf

    return lsf.uri(place, program, here)


def of_job(h: Flux, text: str, wait: bool) -> str:
    """The URI that a job's instance has published in its annotations. Raises ValueError."""
    from rosin.errors import FormatError
    from rosin.rfc.fluid import parse

    try:
        jobid = parse(text)
    except FormatError:
        raise ValueError(f"{text} is not a valid Flux jobid") from None
    if wait:
        _await_uri(h, jobid)
    try:
        request = {"id": jobid, "attrs": ["state", "annotations"]}
        job = h.rpc("job-list.list-id", request).get()["job"]
    except OSError as exc:
        if exc.errno != errno.ENOENT:
            raise
        raise ValueError(f"jobid {text} not found") from None
    uri = job.get("annotations", {}).get("user", {}).get("uri")
    if not uri or job["state"] != 16:
        state = "is not running" if job["state"] != 16 else "is not a Flux instance"
        raise ValueError(f"jobid {text} {state}")
    return str(uri)


def _await_uri(h: Flux, jobid: int) -> None:
    """Wait for the memo with the URI, or for the end of the job."""
    from rosin.constants import FLUX_RPC_STREAMING
    from rosin.rfc.eventlog import decode_entry

    request = {"id": jobid, "path": "eventlog", "flags": 0}
    rpc = h.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)
    for response in rpc:
        entry = decode_entry(response["event"])
        if entry["name"] == "memo" and "uri" in entry.get("context", {}):
            rpc.cancel("job-info.eventlog-watch-cancel")
            # job-list hears of it a moment later; it is asked next.
            h.rpc("job-list.list-id", {"id": jobid, "attrs": ["annotations"], "state": 16}).get()
            return


def parent_of(h: Flux) -> str:
    """The URI of the enclosing instance, that of the instance itself at the top."""
    if int(h.attr_get("instance-level")) == 0:
        return h.attr_get("local-uri")
    return h.attr_get("parent-uri")


def resolve_path(path: str, wait: bool) -> str:
    """Follow a path from this instance: ``/`` is the top, ``..`` the parent, other steps are job ids."""
    with connect() as h:
        uri = h.attr_get("local-uri")
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if path.startswith("/"):
        uri = _root(uri)
    for step in steps:
        with connect(JobURI(uri).near) as h:
            uri = parent_of(h) if step == ".." else of_job(h, step, wait)
    return uri


def _root(uri: str) -> str:
    while True:
        with connect(JobURI(uri).near) as h:
            if int(h.attr_get("instance-level")) == 0:
                return h.attr_get("local-uri")
            uri = h.attr_get("parent-uri")
