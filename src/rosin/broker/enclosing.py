# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job that this instance is, when a job of another instance started it (RFC 5: instance-level > 0).

Its broker attributes are ``parent-uri`` and ``jobid``. The instance tells its parent where it can be reached
(the memo ``uri`` of the job), and which nodes it cannot do without; it takes its resources from the job's R.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.rfc import fluid
from rosin.rfc.idset import Idset
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from rosin.handle.aio import AsyncFlux

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
        from rosin.handle.aio import AsyncFlux

        id = fluid.parse(jobid)
        return cls(await AsyncFlux.connect(uri, TIMEOUT), id)

    async def close(self) -> None:
        """Close the connection, which ends :meth:`watch_R` on the parent's side too."""
        await self._h.close()

    async def post_uri(self, uri: str) -> None:
        """Tell the parent where this instance is. Raises OSError."""
        from rosin.job.control import memo_async

        async with asyncio.timeout(TIMEOUT):
            await memo_async(self._h, self._jobid, {"uri": uri})

    async def post_critical_ranks(self, nodes: str) -> None:
        """Tell the parent without which of the job's nodes this instance cannot go on. Raises OSError."""
        request = {"id": self._jobid, "ranks": nodes}
        async with asyncio.timeout(TIMEOUT):
            await self._h.rpc("job-exec.critical-ranks", request)

    async def watch_R(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the job's R, then each update of it. Raises OSError, FormatError."""
        request = {"id": self._jobid, "key": "R", "flags": 0}
        async for answer in self._h.rpc("job-info.update-watch", request, flags=FLUX_RPC_STREAMING):
            yield field(answer, "R", dict)


def critical_nodes(mapping: str, ranks: str) -> str | None:
    """The nodes of *ranks* (idset), by the map of brokers to nodes; None if that does not say it."""
    from rosin.rfc.taskmap import TaskMap

    tasks = TaskMap.decode(mapping or "[]")
    nodes = [tasks.nodeid(rank) for rank in Idset(ranks)]
    return None if None in nodes else Idset(node for node in nodes if node is not None).encode()


async def announce(attrs: Mapping[str, str]) -> list[str]:
    """Tell the job in the parent, if there is one, of this instance: its URI and its critical ranks.

    Returns what has failed.
    """
    what = "the URI of this one"
    try:
        job = await EnclosingJob.connect(attrs)
        if job is None:
            return []
        try:
            await job.post_uri(f"ssh://{attrs['hostname']}{attrs['local-uri'].removeprefix('local://')}")
            what = "which of its brokers are critical: all are"
            nodes = critical_nodes(attrs.get("broker.mapping", ""), attrs["broker.critical-ranks"])
            if nodes is None:
                return [f"cannot tell the enclosing job's instance {what}: broker.mapping does not say it"]
            await job.post_critical_ranks(nodes)
        finally:
            await job.close()
    except (OSError, FormatError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSYS:
            return []  # an older parent
        return [f"cannot tell the enclosing job's instance {what}: {reason(error)}"]
    return []


def reason(error: Exception) -> str:
    """The text of an error of these calls."""
    if isinstance(error, TimeoutError) and not error.args:
        return f"no answer within {TIMEOUT:g} s"
    return getattr(error, "strerror", None) or str(error)
