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
#: Seconds to wait for a shell, and between two looks at its event log, which no event tells of.
_PATIENCE, _LOOK = 5.0, 0.1


@dataclass(frozen=True)
class ShellPlace:
    """Where the job shell that serves a job's clients is asked, and by which topics."""

    topic: str
    rank: int
    terminal: str | None


async def shell_soon(instance: InstanceLink, jobid: int, row: Row) -> ShellPlace:
    """:func:`shell_of`, waited for if it is about to begin."""
    deadline = instance.loop.time() + _PATIENCE
    while True:
        try:
            return await shell_of(instance, jobid, row)
        except Problem as problem:
            if "Retry-After" not in problem.headers or instance.loop.time() >= deadline:
                raise
        await instance.mirror.bell.wait(_LOOK)
        row = instance.mirror.row(jobid) or row


async def shell_of(instance: InstanceLink, jobid: int, row: Row) -> ShellPlace:
    """The shell of a job. Raises Problem 409 for one that does not run, with Retry-After if it may yet."""
    if row[_STATE] != _RUN:
        later = {"Retry-After": "1"} if row[_STATE] < _RUN else None
        raise Problem(409, "the job is not running", later)
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
