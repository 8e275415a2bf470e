# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job that this instance is, when a job of another instance started it (RFC 5: instance-level > 0).

Its broker attributes are ``parent-uri`` and ``jobid``. The instance tells the job manager of its parent where
it can be reached, as the memo ``uri``, and takes its resources from the job's R.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.handle.aio import AsyncFlux
from rosin.job.control import memo_async
from rosin.rfc import fluid
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

#: Seconds that the parent may take for an answer.
TIMEOUT = 10.0


class EnclosingJob:
    """A connection to the parent; :meth:`close` ends it."""

    def __init__(self, h: AsyncFlux, jobid: int) -> None:
        self._h = h
        self._jobid = jobid

    @classmethod
    async def connect(cls, attrs: Mapping[str, str]) -> EnclosingJob | None:
        """Connect to the parent; None when there is none. Raises OSError, FormatError."""
        uri, jobid = attrs.get("parent-uri"), attrs.get("jobid")
        if not uri or not jobid:
            return None
        id = fluid.parse(jobid)
        return cls(await AsyncFlux.connect(uri, TIMEOUT), id)

    async def close(self) -> None:
        """Close the connection, which ends :meth:`watch_R` on the parent's side too."""
        await self._h.close()

    async def post_uri(self, uri: str) -> None:
        """Tell the parent where this instance is. Raises OSError."""
        async with asyncio.timeout(TIMEOUT):
            await memo_async(self._h, self._jobid, {"uri": uri})

    async def watch_R(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the job's R, then each update of it. Raises OSError, FormatError."""
        request = {"id": self._jobid, "key": "R", "flags": 0}
        async for answer in self._h.rpc("job-info.update-watch", request, flags=FLUX_RPC_STREAMING):
            yield field(answer, "R", dict)


async def announce(attrs: Mapping[str, str]) -> str | None:
    """Post this instance's URI to the job in the parent, if there is one; returns why that failed."""
    try:
        job = await EnclosingJob.connect(attrs)
        if job is None:
            return None
        try:
            await job.post_uri(f"ssh://{attrs['hostname']}{attrs['local-uri'].removeprefix('local://')}")
        finally:
            await job.close()
    except (OSError, FormatError) as error:
        return f"cannot tell the enclosing job's instance the URI of this one: {reason(error)}"
    return None


def reason(error: Exception) -> str:
    """The text of an error of these calls."""
    if isinstance(error, TimeoutError) and not error.args:
        return f"no answer within {TIMEOUT:g} s"
    return getattr(error, "strerror", None) or str(error)
