# SPDX-License-Identifier: LGPL-3.0-or-later
"""Logs of a job as they grow, and values as its events change them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import kvs
from rosin.constants import (
    FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL,
    FLUX_JOB_EVENT_WATCH_WAITCREATE,
    FLUX_KVS_INITIAL_SENTINEL,
    FLUX_KVS_STREAM,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_KVS_WATCH_APPEND,
)
from rosin.errors import FormatError
from rosin.modules.job_info import updates
from rosin.modules.job_info.chunks import Decoder, Splitter, check, lines_of, named
from rosin.modules.job_info.lookup import decoded
from rosin.rfc.eventlog import decode_entries
from rosin.rfc.jobpath import guest_namespace, job_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rosin.modules.job_info.source import JobSource

_WATCH = FLUX_KVS_WATCH | FLUX_KVS_WATCH_APPEND
#: Logs that a job's shell creates: they come a little later than the job's start, which is waited for.
_SHELL_LOGS = ("output", "input")


class Watches:
    """Streams from a source."""

    def __init__(self, source: JobSource) -> None:
        self._source = source
        self._decoder = Decoder()

    async def main(self, jobid: int, path: str, flags: int) -> AsyncGenerator[bytes | None, None]:
        """A log in the job's directory. The main one is complete with its ``clean`` event, which would not
        be seen behind a line that has no end."""
        main = path == "eventlog"
        splitter = Splitter(self._decoder)
        sentinel = bool(flags & FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL)
        kvs_flags = _watch_flags(flags) | (FLUX_KVS_INITIAL_SENTINEL if main else 0)
        source = self._source.follow(kvs.PRIMARY, job_key(jobid, path), kvs_flags)
        try:
            async for val in source:
                if val is None:
                    check([b""] if main and (splitter.partial or not splitter.offset) else [])
                    if sentinel:
                        yield None
                    sentinel = False
                    continue
                lines, responses = splitter.feed(val)
                if main:
                    check(lines)
                for payload in responses:
                    yield payload
                if main and any(named(line, b"clean") for line in lines):
                    break
        finally:
            await source.aclose()
        if sentinel:
            yield None

    async def guest(self, jobid: int, key: str, flags: int) -> AsyncGenerator[bytes | None, None]:
        """A log of the job's own namespace, wherever it is now."""
        splitter = Splitter(self._decoder)
        sentinel = bool(flags & FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL)
        place = await self._guest_place(jobid)
        if place is None:
            return  # the job ended without having had a namespace
        if place == "running":
            if key in _SHELL_LOGS:
                flags |= FLUX_JOB_EVENT_WATCH_WAITCREATE  # until the namespace goes
            source = self._source.follow(guest_namespace(jobid), key, _watch_flags(flags))
            try:
                async for val in source:
                    if val is None:
                        sentinel = False
                        yield None
                        continue
                    for payload in splitter.feed(val)[1]:
                        yield payload
                return
            except OSError as exc:
                if exc.errno != errno.ENOTSUP:
                    raise
            finally:
                await source.aclose()
            splitter.restart()  # the namespace is gone: everything is in the job's directory
        source = self._source.follow(kvs.PRIMARY, job_key(jobid, f"guest.{key}"), FLUX_KVS_STREAM)
        try:
            async for val in source:
                for payload in splitter.feed(val or b"")[1]:
                    yield payload
        finally:
            await source.aclose()
        if sentinel:
            yield None

    async def _guest_place(self, jobid: int) -> str | None:
        """Where the guest logs of a job are, ``running`` or ``ended``; waits until the job starts.

        None: it ended without starting. Raises OSError EINVAL if the main log is none.
        """
        data = await self._source.get(jobid, "eventlog")
        lines = lines_of(data)
        place = _place(lines)
        if place is not None or any(named(line, b"clean") for line in lines):
            return place
        try:
            decode_entries(data or b"\n")
        except FormatError as exc:  # what is waited for would not be seen
            text = f"error parsing eventlog: {str(exc).removeprefix('eventlog: ')}"
            raise OSError(errno.EINVAL, text) from None
        splitter = Splitter(self._decoder)
        source = self._source.follow(kvs.PRIMARY, job_key(jobid, "eventlog"), _WATCH)
        try:
            async for val in source:
                lines = splitter.feed(val or b"")[0]
                place = _place(lines)
                if place is not None or any(named(line, b"clean") for line in lines):
                    return place
        finally:
            await source.aclose()
        return None

    async def updates(self, jobid: int, key: str) -> AsyncGenerator[dict[str, Any], None]:
        """Jobspec or R, now and after each update event; the last one when the job is over."""
        obj = decoded(key, await self._source.get(jobid, key))
        splitter = Splitter(self._decoder)
        current = False
        eventlog = job_key(jobid, "eventlog")
        source = self._source.follow(kvs.PRIMARY, eventlog, _WATCH | FLUX_KVS_INITIAL_SENTINEL)
        try:
            async for val in source:
                if val is None:
                    current = True
                    yield obj
                    continue
                lines = splitter.feed(val)[0]
                for context in updates.contexts(key, lines):
                    obj = updates.apply(key, obj, context)
                    if current:
                        yield obj
                if any(named(line, b"clean") for line in lines):
                    break
        finally:
            await source.aclose()
        if not current:
            yield obj


def _watch_flags(flags: int) -> int:
    """Flags of kvs-watch for flags of eventlog-watch."""
    wait = FLUX_KVS_WAITCREATE if flags & FLUX_JOB_EVENT_WATCH_WAITCREATE else 0
    sentinel = FLUX_KVS_INITIAL_SENTINEL if flags & FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL else 0
    return _WATCH | wait | sentinel


def _place(lines: list[bytes]) -> str | None:
    """Where a job with this main log has its guest logs: see ``_guest_place``."""
    place = None
    for line in lines:
        event = named(line, b"start", b"release")
        if event is None:
            continue
        if event["name"] == "start":
            place = place or "running"
        elif isinstance(context := event.get("context"), dict) and context.get("final") is True:
            place = "ended"
    return place
