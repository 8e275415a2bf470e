# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 6: a remote procedure call as a future."""

from __future__ import annotations

import errno

from rosin.constants import (
    FLUX_MATCHTAG_NONE,
    FLUX_MSGFLAG_STREAMING,
    FLUX_NODEID_ANY,
    FLUX_RPC_NORESPONSE,
)
from rosin.errors import FormatError
from rosin.handle.future import Future, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any, Protocol

    from rosin.handle.future import Host
    from rosin.rfc.message import Message

    class Caller(Host, Protocol):
        """What a call needs of its handle: to send requests, and to be forgotten."""

        def begin(self, rpc: RPC, payload: object, flags: int) -> None: ...
        def rpc(self, topic: str, payload: object = ..., nodeid: int = ..., flags: int = ...) -> RPC: ...
        def _forget(self, rpc: RPC) -> None: ...


def _check_text(msg: Message) -> None:
    """Raises OSError EPROTO unless the payload ends as text does (RFC 3)."""
    if not msg.raw.endswith(b"\0"):
        raise error(errno.EPROTO)


class RPC(Future):
    """The response, or stream of responses, to one request, which is sent by constructing it.

    See :meth:`Handle.rpc` for the arguments. A subclass can say what its answer means
    (``future.get_id()``); programs construct some of them directly, as flux-core's bindings allow:
    ``JobListIdRPC(handle, "job-list.list-id", {"id": jobid, "attrs": ["all"]})``.

    ``get`` and ``await`` give the decoded JSON payload (None without one); :meth:`get_raw` and
    :meth:`raw` the bytes. Failures are OSError with the errno and text of the response;
    EPROTO is one of bytes that are no text, FormatError (a ValueError) one of text that is not JSON.
    """

    __slots__ = ("matchtag", "nodeid", "topic")

    handle: Caller

    def __init__(
        self,
        flux_handle: Caller,
        topic: str,
        payload: object = None,
        nodeid: int = FLUX_NODEID_ANY,
        flags: int = 0,
    ) -> None:
        super().__init__(flux_handle)
        self.topic = topic
        self.nodeid = nodeid
        self.matchtag = FLUX_MATCHTAG_NONE
        flux_handle.begin(self, payload, flags)

    def _value(self, result: Any) -> Any:
        try:
            return None if result is None else result.data
        except FormatError:
            _check_text(result)
            raise

    def receive(self, msg: Message) -> bool:
        """Take a response; True when it was the last one, so that the matchtag is free (RFC 6)."""
        if msg.aux1:
            self.fulfill_error(msg.aux1, msg.text or None)
            return True
        self.fulfill(msg)
        return not msg.flags & FLUX_MSGFLAG_STREAMING

    def get_message(self) -> Message:
        """The current response itself."""
        self.wait_for()
        result = self._results[0]
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]

    def get_str(self) -> str | None:
        """The payload as text, None without one. Raises OSError EPROTO for bytes that are no text."""
        msg = self.get_message()
        if not msg.has_payload:
            return None
        _check_text(msg)
        return msg.text

    def get_raw(self) -> bytes:
        """The payload as it came, b"" without one."""
        return self.get_message().raw

    async def raw(self) -> bytes:
        """Like :meth:`get_raw`, for asyncio code."""
        await self._ready()
        return self.get_raw()

    def messages(self) -> Iterator[Message]:
        """The responses of a stream until its ENODATA, for payloads that are not JSON."""
        for _ in self._walk():
            yield self.get_message()

    async def amessages(self) -> AsyncIterator[Message]:
        """Like :meth:`messages`, for asyncio code."""
        while True:
            await self._ready()
            result = self._results[0]
            if isinstance(result, OSError) and result.errno == errno.ENODATA:
                return
            msg = self.get_message()
            self.reset()
            yield msg

    def cancel(self, topic: str | None = None) -> None:
        """Ask the service to end this stream; its final response still arrives (RFC 6, cancel).

        ``topic`` is the service's cancel method, ``SERVICE.cancel`` by default.
        """
        if topic is None:
            topic = self.topic.rpartition(".")[0] + ".cancel"
        self.handle.rpc(topic, {"matchtag": self.matchtag}, self.nodeid, FLUX_RPC_NORESPONSE)

    def close(self) -> None:
        """Drop what is still to come."""
        self.abandon()

    def abandon(self) -> None:
        """Forget this RPC: responses still to come are dropped and nobody is told."""
        self.handle._forget(self)
        super().abandon()
