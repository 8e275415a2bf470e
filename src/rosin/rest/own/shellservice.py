# SPDX-License-Identifier: LGPL-3.0-or-later
"""The service of a running job's shell, as its event log tells (RFC 50, ``shell.init``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rosin.errors import FormatError
from rosin.job.table.attributes import POSITION, Row
from rosin.rest.instance import InstanceLink
from rosin.rest.own.detail import looked_up
from rosin.rest.problem import Problem
from rosin.rfc import eventlog

_STATE, _RUN = POSITION["state"], 16


@dataclass(frozen=True)
class ShellPlace:
    """Where the job shell that serves a job's clients is asked, and by which topics."""

    topic: str
    rank: int
    terminal: str | None


async def shell_of(instance: InstanceLink, jobid: int, row: Row) -> ShellPlace:
    """The shell of a job. Raises Problem 409 for one that does not run, or has not begun to."""
    if row[_STATE] != _RUN:
        raise Problem(409, "the job is not running")
    text = await looked_up(instance, jobid, "guest.exec.eventlog")
    try:
        entries = eventlog.decode_entries(text or "")
    except FormatError as exc:
        raise Problem(502, f"the job's exec.eventlog: {exc}") from None
    for entry in entries:
        if entry["name"] == "shell.init":
            return _read(entry.get("context") or {})
    raise Problem(409, "the job's shells are still starting", {"Retry-After": "1"})


def _read(context: dict[str, Any]) -> ShellPlace:
    service, rank, terminal = context.get("service"), context.get("leader-rank", 0), context.get("pty")
    if not isinstance(service, str) or type(rank) is not int:
        raise Problem(502, "the job's exec.eventlog says nothing of its service")
    return ShellPlace(service, rank, f"{service}.{terminal}" if isinstance(terminal, str) else None)
