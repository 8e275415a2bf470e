# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where the values and logs of jobs come from: the KVS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin import kvs
from rosin.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.internal import raw_watch
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rosin.handle.handle import Handle

#: Pieces of a stream that are confirmed to kvs-watch at once; it sends a few times as many without.
_CONFIRM = 8


class JobSource:
    """Reads the KVS."""

    def __init__(self, h: Handle) -> None:
        self._h = h

    async def get(self, jobid: int, key: str) -> bytes:
        """The value of a key of a job. Raises OSError."""
        response = await kvs.lookup_async(self._h, job_key(jobid, key), kvs.PRIMARY)
        return treeobj.val_data(response["val"])

    async def follow(self, namespace: str, key: str, flags: int) -> AsyncGenerator[bytes | None, None]:
        """The pieces that kvs-watch sends of a growing value, None for its sentinel."""
        request = raw_watch.lookup(namespace, key, flags)
        rpc = self._h.rpc(raw_watch.LOOKUP, request, flags=FLUX_RPC_STREAMING)
        ended = False
        try:
            taken = 0
            async for msg in rpc.amessages():
                yield msg.raw if msg.has_payload else None
                taken += msg.has_payload
                if taken == _CONFIRM:
                    confirmation = raw_watch.more(rpc.matchtag, taken)
                    self._h.rpc(raw_watch.MORE, confirmation, flags=FLUX_RPC_NORESPONSE)
                    taken = 0
            ended = True
        except OSError:
            ended = True
            raise
        finally:
            if not ended:
                rpc.cancel(raw_watch.CANCEL)
                rpc.abandon()
