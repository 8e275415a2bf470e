# SPDX-License-Identifier: LGPL-3.0-or-later
"""Resources of an instance that is a job of another: R of that job, read in the parent, and its updates."""

from __future__ import annotations

import asyncio
from errno import ECONNRESET, EHOSTUNREACH, ENOSYS, EPIPE, EPROTO
from typing import TYPE_CHECKING, Any

from rosin.broker.enclosing import TIMEOUT, EnclosingJob, reason
from rosin.errors import FormatError
from rosin.modules.resource import inventory
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

#: The parent ends, or is not yet so far that it can answer.
_AWAY = (ECONNRESET, EPIPE, ENOSYS, EHOSTUNREACH)
#: Seconds until it is asked again.
RETRY = 1.0


class Inheritance:
    """``warn(text)`` is told when the parent cannot be asked; the instance then goes by what it has. A parent
    that was restarted while this job went on is found again; ``sleep(seconds)`` is waited for until then."""

    def __init__(
        self,
        attrs: Mapping[str, str],
        warn: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._attrs = attrs
        self._warn = warn
        self._sleep = sleep
        self._job: EnclosingJob | None = None
        self._closed = False
        self._followed = False
        #: When the job has started and will end, seconds since the epoch; 0.0: not known.
        self.times = (0.0, 0.0)
        self._updates: AsyncIterator[dict[str, Any]]

    async def begin(self, local: ResourceSet, rank: int, size: int) -> ResourceSet | None:
        """What the enclosing job gives to an instance of *size* brokers, the one on *rank* if it is alone.

        None without such a job, and where its resources cannot be told apart by rank; the instance then
        has the job's :attr:`times` all the same."""
        try:
            self._job = await EnclosingJob.connect(self._attrs)
            if self._job is None:
                return None
            self._updates = self._job.watch_R()
            async with asyncio.timeout(TIMEOUT):
                async for R in self._updates:
                    job = ResourceSet.decode(R)
                    self._followed = True
                    self.times = job.starttime, job.expiration
                    if size > 1:
                        return inventory.mapped(job, size, self._attrs.get("hostlist", ""))
                    return inventory.inherited(job, local, rank)
            raise OSError(EPROTO, "its instance has none")
        except (OSError, FormatError) as error:
            self._warn(f"cannot read R of the enclosing job: {reason(error)}")
            return None

    @property
    def followed(self) -> bool:
        """There is an enclosing job, and its R has been read."""
        return self._followed

    async def expirations(self) -> AsyncIterator[float]:
        """When the job ends, after each update of its R; a parent that is back tells it first."""
        warned = False
        while not self._closed:
            try:
                async for R in self._updates:
                    warned = False
                    yield ResourceSet.decode(R).expiration
                return
            except (OSError, FormatError) as error:
                if self._closed:
                    return
                if not warned:
                    self._warn(f"no more news of the enclosing job's R: {reason(error)}")
                if not isinstance(error, OSError) or error.errno not in _AWAY:
                    return
            warned = True
            await self._disconnect()
            await self._sleep(RETRY)
            await self._find_again()

    async def _find_again(self) -> None:
        """Connect to the parent, if there is one."""
        try:
            job = await EnclosingJob.connect(self._attrs)
        except OSError:
            return  # it was said that there is none
        assert job is not None
        self._job, self._updates = job, job.watch_R()
        if self._closed:
            await self._disconnect()

    async def close(self) -> None:
        """End the connection to the parent."""
        self._closed = True
        await self._disconnect()

    async def _disconnect(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            await job.close()
