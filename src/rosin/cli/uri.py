# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin uri``: find the URI of an instance."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, as_written

if TYPE_CHECKING:
    from rosin.handle.flux import Flux

_EPILOG = """\
Supported resolver schemes:
  jobid   the instance that is a job: jobid:ID, or ID alone
  pid     the instance that a local process belongs to: pid:PID
  path    an instance by its place: / (root), .. (parent), /JOBID/JOBID
  local   a URI of an instance on this host
  ssh     a URI of an instance on another host
"""
_URI_SCHEMES = ("local", "ssh")


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Find the URI of an instance.", epilog=_EPILOG, formatter_class=as_written)
    result.flag("--remote", text="print the URI for use from another host")
    result.flag("--local", text="print the URI for use on the instance's host")
    result.flag("--wait", text="wait until the job has published its URI")
    result.add_argument("target", metavar="TARGET", help="the instance")
    return result


def of_pid(text: str) -> str:
    """The instance that a process belongs to, from its environment; that of a broker is its own."""
    if not text.isdigit():
        raise ValueError(f"pid:{text}: not a process id")
    try:
        path = _socket_of_broker(text)
        if path is not None:
            return f"local://{path}"
        with open(f"/proc/{text}/environ", "rb") as stream:
            data = stream.read()
    except OSError as exc:
        raise ValueError(f"pid:{text}: {exc.strerror}") from None
    for entry in data.split(b"\0"):
        if entry.startswith(b"FLUX_URI="):
            return entry[9:].decode()
    raise ValueError(f"PID {text} doesn't seem to have a FLUX_URI")


def _socket_of_broker(pid: str) -> str | None:
    """The socket ``.../local-RANK`` on which a process listens, None if it does not. Raises OSError."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            kind, _, inode = os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")
        except FileNotFoundError:
            continue  # it has just been closed
        if kind == "socket":
            inodes.add(inode[1:-1])
    with open(f"/proc/{pid}/net/unix", errors="surrogateescape") as stream:
        for line in stream:
            # Num RefCount Protocol Flags Type St Inode Path; flag 0x10000: it listens
            fields = line.rstrip("\n").split(maxsplit=7)
            if len(fields) == 8 and fields[6] in inodes and fields[3] == "00010000":
                name = fields[7].rpartition("/")[2]
                if name.startswith("local-") and name[6:].isdigit():
                    return fields[7]
    return None


def _of_job(h: Flux, text: str, wait: bool) -> str:
    """The URI that a job's instance has published in its annotations."""
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


def _parent(h: Flux) -> str:
    if int(h.attr_get("instance-level")) == 0:
        return h.attr_get("local-uri")
    return h.attr_get("parent-uri")


def resolve_path(path: str, wait: bool) -> str:
    """Follow a path from this instance: ``/`` is the top, ``..`` the parent, other steps are job ids."""
    uri: str | None = None
    with connect() as h:
        uri = h.attr_get("local-uri")
    steps = [step for step in path.split("/") if step not in ("", ".")]
    if path.startswith("/"):
        uri = _root(uri)
    for step in steps:
        with connect(uri) as h:
            uri = _parent(h) if step == ".." else _of_job(h, step, wait)
    return uri


def _root(uri: str) -> str:
    from rosin.job.uri import JobURI

    while True:
        with connect(JobURI(uri).local) as h:
            if int(h.attr_get("instance-level")) == 0:
                return h.attr_get("local-uri")
            uri = h.attr_get("parent-uri")


def resolve(target: str, wait: bool = False) -> str:
    """The URI of a target. Raises ValueError, OSError."""
    if not target:
        raise ValueError("TARGET is empty")
    scheme, sep, rest = target.partition(":")
    if sep and scheme in _URI_SCHEMES:
        return target
    if sep and scheme == "pid":
        return of_pid(rest)
    if sep and scheme != "jobid":
        raise ValueError(f"No plugin for URI scheme {scheme}")
    return resolve_path(rest if sep else target, wait)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    from rosin.job.uri import JobURI

    args = parser(prog).parse_args(argv)
    if args.remote and args.local:
        raise ValueError("Only one of --remote or --local may be used")
    uri = JobURI(resolve(args.target, args.wait))
    local = args.local or (not args.remote and "FLUX_URI_RESOLVE_LOCAL" in os.environ)
    print(uri.remote if args.remote else uri.local if local else uri)
    return 0
