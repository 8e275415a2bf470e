# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-info service (RFC 41).

A guest log is watched in the job's own namespace while the job runs, and is read from the job's directory
when that namespace is gone; a watcher that sees the change continues at the byte where it was.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from rosin import _json, kvs
from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import (
    FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL,
    FLUX_JOB_EVENT_WATCH_WAITCREATE,
    FLUX_JOB_INFO_LOOKUP_CURRENT,
    FLUX_JOB_INFO_LOOKUP_JSON_DECODE,
    FLUX_KVS_INITIAL_SENTINEL,
    FLUX_KVS_STREAM,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_KVS_WATCH_APPEND,
    FLUX_RPC_NORESPONSE,
    FLUX_RPC_STREAMING,
)
from rosin.errors import FormatError
from rosin.modules.job_info import updates
from rosin.modules.job_info.chunks import Decoder, Splitter, check, lines_of, named
from rosin.rfc import treeobj
from rosin.rfc.eventlog import decode_entries
from rosin.rfc.jobpath import guest_namespace, job_key
from rosin.rfc.message import Message
from rosin.rfc.payload import field, id_field, list_field
from rosin.rfc.role import allowed, authorized

_WATCH = FLUX_KVS_WATCH | FLUX_KVS_WATCH_APPEND
#: Pieces of a stream that are confirmed to kvs-watch at once; it sends a few times as many without.
_CONFIRM = 8
_MAX_OWNERS = 10000
#: Logs that a job's shell creates: they come a little later than the job's start, which is waited for.
_SHELL_LOGS = ("output", "input")


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
        self._decoder = Decoder()
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

    # -- the KVS ----------------------------------------------------------------------------------

    async def _get(self, jobid: int, key: str) -> bytes:
        """The value of a key of a job. Raises OSError."""
        response = await kvs.lookup_async(self.h, job_key(jobid, key), kvs.PRIMARY)
        return treeobj.val_data(response["val"])

    async def _follow(self, namespace: str, key: str, flags: int) -> AsyncGenerator[bytes | None, None]:
        """The pieces that kvs-watch sends of a growing value, None for its sentinel."""
        request = {"namespace": namespace, "key": key, "flags": flags, "raw": True}
        rpc = self.h.rpc("kvs-watch.lookup", request, flags=FLUX_RPC_STREAMING)
        ended = False
        try:
            taken = 0
            async for msg in rpc.amessages():
                yield msg.raw if msg.has_payload else None
                taken += msg.has_payload
                if taken == _CONFIRM:
                    confirmation = {"matchtag": rpc.matchtag, "count": taken}
                    self.h.rpc("kvs-watch.more", confirmation, flags=FLUX_RPC_NORESPONSE)
                    taken = 0
            ended = True
        except OSError:
            ended = True
            raise
        finally:
            if not ended:
                rpc.cancel("kvs-watch.cancel")
                rpc.abandon()

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
        lines = lines_of(await self._get(jobid, "eventlog"))
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
            return await self._look_up(jobid, keys, flags)

    async def _look_up(self, jobid: int, keys: list[str], flags: int) -> dict[str, Any]:
        wanted = list(dict.fromkeys(keys))
        if flags & FLUX_JOB_INFO_LOOKUP_CURRENT and not {"R", "jobspec"}.isdisjoint(wanted):
            wanted = list(dict.fromkeys(["eventlog", *keys]))
        values = dict(
            zip(
                wanted,
                await asyncio.gather(*(self._get(jobid, key) for key in wanted), return_exceptions=True),
                strict=True,
            )
        )
        for key, value in values.items():
            if isinstance(value, BaseException):
                raise await self._lookup_error(jobid, key, value)
        answer: dict[str, Any] = {"id": jobid}
        for key in keys:
            answer[key] = self._value(key, values, flags)
        return answer

    async def _lookup_error(self, jobid: int, key: str, exc: BaseException) -> BaseException:
        """What is wrong with a lookup of a job that may not exist."""
        if not isinstance(exc, OSError):
            return exc
        if exc.errno != errno.ENOENT:
            return OSError(exc.errno, f"{key}: {os.strerror(exc.errno or errno.EIO)}")
        try:
            await self._get(jobid, "eventlog")
        except FileNotFoundError:
            return OSError(errno.ENOENT, "invalid job id")
        return OSError(errno.ENOENT, f"{key}: key not found")

    def _value(self, key: str, values: dict[str, Any], flags: int) -> Any:
        """A value as a response holds it: text, or an object."""
        data: bytes = values[key]
        if not data:
            raise OSError(errno.EPROTO, f"{key}: value is unexpectedly empty")
        if key in updates.KEYS and flags:
            current = flags & FLUX_JOB_INFO_LOOKUP_CURRENT
            changes = self._updates(key, values["eventlog"]) if current else []
            if changes or flags & FLUX_JOB_INFO_LOOKUP_JSON_DECODE:
                obj = self._decoded(key, data)
                for context in changes:
                    obj = updates.apply(key, obj, context)
                return obj if flags & FLUX_JOB_INFO_LOOKUP_JSON_DECODE else _json.dumps(obj).decode()
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise OSError(errno.EPROTO, f"{key}: value is not UTF-8 text") from None

    def _updates(self, key: str, eventlog: bytes) -> list[dict[str, Any]]:
        lines = lines_of(eventlog)
        try:
            check(lines)
        except OSError as exc:
            text = f"{key}: error applying eventlog to original value: {exc.strerror}"
            raise OSError(exc.errno, text) from None
        return updates.contexts(key, lines)

    def _decoded(self, key: str, data: bytes) -> dict[str, Any]:
        try:
            obj = _json.loads(data)
        except ValueError:
            obj = None
        if not isinstance(obj, dict):
            raise OSError(errno.EPROTO, f"{key}: value is not a JSON object")
        return obj

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
            answer = await self._look_up(jobid, [key], both)
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
                stream = self._watch_guest(jobid, path.removeprefix("guest."), flags)
            else:
                stream = self._watch_main(jobid, path, flags)
            try:
                async for payload in stream:
                    yield payload
            finally:
                await stream.aclose()

    async def _watch_main(self, jobid: int, path: str, flags: int) -> AsyncGenerator[bytes | None, None]:
        """A log in the job's directory. The main one is complete with its ``clean`` event, which would not
        be seen behind a line that has no end."""
        main = path == "eventlog"
        splitter = Splitter(self._decoder)
        sentinel = bool(flags & FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL)
        kvs_flags = _watch_flags(flags) | (FLUX_KVS_INITIAL_SENTINEL if main else 0)
        source = self._follow(kvs.PRIMARY, job_key(jobid, path), kvs_flags)
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

    async def _watch_guest(self, jobid: int, key: str, flags: int) -> AsyncGenerator[bytes | None, None]:
        """A log of the job's own namespace, wherever it is now."""
        splitter = Splitter(self._decoder)
        sentinel = bool(flags & FLUX_JOB_EVENT_WATCH_INITIAL_SENTINEL)
        place = await self._guest_place(jobid)
        if place is None:
            return  # the job ended without having had a namespace
        if place == "running":
            if key in _SHELL_LOGS:
                flags |= FLUX_JOB_EVENT_WATCH_WAITCREATE  # until the namespace goes
            source = self._follow(guest_namespace(jobid), key, _watch_flags(flags))
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
        source = self._follow(kvs.PRIMARY, job_key(jobid, f"guest.{key}"), FLUX_KVS_STREAM)
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
        data = await self._get(jobid, "eventlog")
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
        source = self._follow(kvs.PRIMARY, job_key(jobid, "eventlog"), _WATCH)
        try:
            async for val in source:
                lines = splitter.feed(val or b"")[0]
                place = _place(lines)
                if place is not None or any(named(line, b"clean") for line in lines):
                    return place
        finally:
            await source.aclose()
        return None

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
            obj = self._decoded(key, await self._get(jobid, key))
            splitter = Splitter(self._decoder)
            current = False
            eventlog = job_key(jobid, "eventlog")
            source = self._follow(kvs.PRIMARY, eventlog, _WATCH | FLUX_KVS_INITIAL_SENTINEL)
            try:
                async for val in source:
                    if val is None:
                        current = True
                        yield {key: obj}
                        continue
                    lines = splitter.feed(val)[0]
                    for context in updates.contexts(key, lines):
                        obj = updates.apply(key, obj, context)
                        if current:
                            yield {key: obj}
                    if any(named(line, b"clean") for line in lines):
                        break
            finally:
                await source.aclose()
            if not current:
                yield {key: obj}


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
