# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-info service (RFC 41).

A guest log is watched in the job's own namespace while the job runs, and is read from the job's directory
when that namespace is gone; a watcher that sees the change continues at the byte where it was.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import (
    FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL,
    FLUX_JOB_EVENT_WATCH_WAITCREATE,
    FLUX_JOB_INFO_LOOKUP_CURRENT,
    FLUX_JOB_INFO_LOOKUP_JSON_DECODE,
)
from rosin.errors import FormatError
from rosin.modules.job_info import updates
from rosin.modules.job_info.chunks import lines_of, named
from rosin.modules.job_info.lookup import Lookups
from rosin.modules.job_info.source import JobSource
from rosin.modules.job_info.watch import Watches
from rosin.rfc.message import Message
from rosin.rfc.payload import field, id_field, list_field
from rosin.rfc.role import allowed, authorized

_MAX_OWNERS = 10000


def _flags(args: dict[str, Any], valid: int, what: str) -> int:
    flags = field(args, "flags", int)
    if flags & ~valid:
        raise FormatError(f"{what} request rejected with invalid flag")
    return int(flags)


class JobInfoModule(BrokerModule):
    """See the module's text."""

    name = "job-info"
    arguments = ()
    public_stats = True

    async def start(self) -> None:
        self._source = JobSource(self.h)
        self._lookups = Lookups(self._source)
        self._watches = Watches(self._source)
        self._owners: dict[int, int] = {}  # job id: userid, the oldest entry first
        self._counts = dict.fromkeys(
            ("lookups", "watchers", "guest_watchers", "update_lookups", "update_watchers"), 0
        )

    def stats(self) -> dict[str, Any]:
        return dict(self._counts)

    @contextmanager
    def _counted(self, what: str) -> Iterator[None]:
        self._counts[what] += 1
        try:
            yield
        finally:
            self._counts[what] -= 1

    # -- access -----------------------------------------------------------------------------------

    async def _authorize(self, msg: Message, jobid: int) -> None:
        """Let the instance owner and the job's owner pass. Raises OSError ENOENT or EPERM."""
        if allowed(msg.rolemask):
            return
        owner = self._owners.get(jobid)
        if owner is None:
            owner = await self._find_owner(jobid)
            while len(self._owners) >= _MAX_OWNERS:
                del self._owners[next(iter(self._owners))]
            self._owners[jobid] = owner
        if not authorized(msg.userid, msg.rolemask, owner):
            raise OSError(errno.EPERM, "access is restricted to job/instance owner")

    async def _find_owner(self, jobid: int) -> int:
        lines = lines_of(await self._source.get(jobid, "eventlog"))
        submit = named(lines[0], b"submit") if lines else None
        if submit is None:
            raise OSError(errno.EPROTO, "error parsing eventlog: Protocol error")
        return field(field(submit, "context", dict), "userid", int)

    # -- lookup -----------------------------------------------------------------------------------

    @request_handler("lookup", allow_guest=True)
    async def lookup(self, msg: Message) -> dict[str, Any]:
        args = msg.args
        jobid = id_field(args)
        keys = list_field(args, "keys", str)
        valid = FLUX_JOB_INFO_LOOKUP_JSON_DECODE | FLUX_JOB_INFO_LOOKUP_CURRENT
        flags = _flags(args, valid, "lookup")
        with self._counted("lookups"):
            try:
                await self._authorize(msg, jobid)
            except FileNotFoundError:
                raise OSError(errno.ENOENT, "invalid job id") from None
            return await self._lookups.look_up(jobid, keys, flags)

    @request_handler("update-lookup", allow_guest=True)
    async def update_lookup(self, msg: Message) -> dict[str, Any]:
        args = msg.args
        jobid, key = id_field(args), field(args, "key", str)
        _flags(args, 0, "update-lookup")
        if key not in updates.KEYS:
            raise OSError(errno.EINVAL, "update-lookup unsupported key specified")
        with self._counted("update_lookups"):
            await self._authorize(msg, jobid)
            both = FLUX_JOB_INFO_LOOKUP_CURRENT | FLUX_JOB_INFO_LOOKUP_JSON_DECODE
            answer = await self._lookups.look_up(jobid, [key], both)
        del answer["id"]
        return answer

    # -- watching ---------------------------------------------------------------------------------

    @request_handler("eventlog-watch", allow_guest=True)
    async def eventlog_watch(self, msg: Message) -> AsyncGenerator[bytes | None, None]:
        args = msg.args
        jobid, path = id_field(args), field(args, "path", str)
        valid = FLUX_JOB_EVENT_WATCH_WAITCREATE | FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL
        flags = _flags(args, valid, "eventlog-watch")
        guest = path.startswith("guest.")
        with self._counted("guest_watchers" if guest else "watchers"):
            await self._authorize(msg, jobid)
            if guest:
                stream = self._watches.guest(jobid, path.removeprefix("guest."), flags)
            else:
                stream = self._watches.main(jobid, path, flags)
            async with aclosing(stream):
                async for payload in stream:
                    yield payload

    # -- watching for updates ---------------------------------------------------------------------

    @request_handler("update-watch", allow_guest=True)
    async def update_watch(self, msg: Message) -> AsyncGenerator[dict[str, Any], None]:
        args = msg.args
        jobid, key = id_field(args), field(args, "key", str)
        _flags(args, 0, "update-watch")
        if key not in updates.KEYS:
            raise OSError(errno.EINVAL, "update-watch unsupported key specified")
        with self._counted("update_watchers"):
            await self._authorize(msg, jobid)
            async with aclosing(self._watches.updates(jobid, key)) as objs:
                async for obj in objs:
                    yield {key: obj}
