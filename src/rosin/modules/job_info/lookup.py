# SPDX-License-Identifier: LGPL-3.0-or-later
"""Values of a job, as they are in the KVS or as its events have left them (RFC 21)."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_JOB_INFO_LOOKUP_CURRENT, FLUX_JOB_INFO_LOOKUP_JSON_DECODE
from rosin.modules.job_info import updates
from rosin.modules.job_info.chunks import check, lines_of

if TYPE_CHECKING:
    from rosin.modules.job_info.source import JobSource


class Lookups:
    """Answers lookups from a source."""

    def __init__(self, source: JobSource) -> None:
        self._source = source

    async def look_up(self, jobid: int, keys: list[str], flags: int) -> dict[str, Any]:
        """The answer to a lookup of *keys*. Raises OSError that names the key that is wrong."""
        wanted = list(dict.fromkeys(keys))
        if flags & FLUX_JOB_INFO_LOOKUP_CURRENT and not {"R", "jobspec"}.isdisjoint(wanted):
            wanted = list(dict.fromkeys(["eventlog", *keys]))
        values = dict(
            zip(
                wanted,
                await asyncio.gather(
                    *(self._source.get(jobid, key) for key in wanted), return_exceptions=True
                ),
                strict=True,
            )
        )
        for key, value in values.items():
            if isinstance(value, BaseException):
                raise await self._lookup_error(jobid, key, value)
        if not keys:  # nothing else tells whether there is such a job
            await self._exists(jobid)
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
        await self._exists(jobid)
        return OSError(errno.ENOENT, f"{key}: key not found")

    async def _exists(self, jobid: int) -> None:
        """Raises OSError ENOENT unless there is such a job."""
        try:
            await self._source.get(jobid, "eventlog")
        except FileNotFoundError:
            raise OSError(errno.ENOENT, "invalid job id") from None

    def _value(self, key: str, values: dict[str, Any], flags: int) -> Any:
        """A value as a response holds it: text, or an object."""
        data: bytes = values[key]
        if not data:
            raise OSError(errno.EPROTO, f"{key}: value is unexpectedly empty")
        if key in updates.KEYS and flags:
            current = flags & FLUX_JOB_INFO_LOOKUP_CURRENT
            changes = self._updates(key, values["eventlog"]) if current else []
            if changes or flags & FLUX_JOB_INFO_LOOKUP_JSON_DECODE:
                obj = decoded(key, data)
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


def decoded(key: str, data: bytes) -> dict[str, Any]:
    """The JSON object that the value of *key* is. Raises OSError EPROTO."""
    try:
        obj = _json.loads(data)
    except ValueError:
        obj = None
    if not isinstance(obj, dict):
        raise OSError(errno.EPROTO, f"{key}: value is not a JSON object")
    return obj
