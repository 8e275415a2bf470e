# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin exec --jobid``: the subprocess service of a job's shells."""

from __future__ import annotations

import errno

from rosin.constants import FLUX_RPC_STREAMING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.handle.flux import Flux
    from rosin.rfc.idset import Idset


def job_service(h: Flux, text: str) -> tuple[str, Idset, int]:
    """The service, the ranks and the id of a running job. Raises ValueError."""
    from rosin.rfc.fluid import parse
    from rosin.rfc.idset import Idset

    try:
        jobid = parse(text)
    except ValueError:
        raise ValueError(f'error parsing jobid: "{text}"') from None
    try:
        job = h.rpc("job-list.list-id", {"id": jobid, "attrs": ["state", "ranks"]}).get()["job"]
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            raise ValueError(f"job {text} not found") from None
        raise
    if job["state"] != 16:
        raise ValueError(f"job {text} is not currently running")
    return f"{_shell(h, jobid, text)}.rexec", Idset(job["ranks"]), jobid


def _shell(h: Flux, jobid: int, text: str) -> str:
    """The name of the shells' service, from the shell.init event."""
    from rosin.rfc.eventlog import decode_entry

    request = {"id": jobid, "path": "guest.exec.eventlog", "flags": 0}
    rpc = h.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)
    for response in rpc:
        entry = decode_entry(response["event"])
        if entry["name"] == "shell.init":
            rpc.cancel("job-info.eventlog-watch-cancel")
            return str(entry["context"]["service"])
    raise ValueError(f"failed to get shell.init event for {text}")
