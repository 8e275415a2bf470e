# SPDX-License-Identifier: LGPL-3.0-or-later
"""The manager's way to the outside, by the handle and the clock of its broker module."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import DEFERRED
from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_NODEID_ANY, FLUX_RPC_STREAMING
from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.clock import TimerHandle
    from rosin.broker.module import BrokerModule
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message


class ModulePort:
    """A :class:`~rosin.modules.job_manager.port.Port`; a wake makes it call ``flush`` in this turn."""

    def __init__(self, module: BrokerModule, flush: Callable[[], None]) -> None:
        self.module = module
        self.log = module.log
        self._flush = flush

    def now(self) -> float:
        return self.module.now()

    def monotonic(self) -> float:
        return self.module.monotonic()

    def wake(self) -> None:
        self.module.call_soon_once(self._flush)

    def respond(self, msg: Message, payload: Any = None) -> None:
        self.module.respond(msg, payload)

    def respond_error(self, msg: Message, errnum: int, text: str | None = None) -> None:
        self.module.respond_error(msg, errnum, text)

    def request(self, topic: str, payload: dict[str, Any]) -> None:
        self.module.h.send_request(topic, payload)

    def notify(self, topic: str, payload: dict[str, Any]) -> None:
        self.module.h.send_request(topic, payload, flags=FLUX_MSGFLAG_NORESPONSE)

    def rpc(
        self,
        topic: str,
        payload: dict[str, Any],
        done: Callable[[Any, OSError | None], None],
        nodeid: int = FLUX_NODEID_ANY,
    ) -> None:
        async def call() -> None:
            try:
                answer = await self.module.h.rpc(topic, payload, nodeid)
            except OSError as error:
                done(None, error)
            except asyncio.CancelledError:
                done(None, OSError(errno.EAGAIN, "job manager is shutting down"))
                raise
            else:
                done(answer, None)

        self.module.create_task(call())

    def stream(
        self,
        topic: str,
        payload: dict[str, Any],
        nodeid: int,
        each: Callable[[dict[str, Any]], None],
        ended: Callable[[OSError | FormatError], None],
    ) -> None:
        def answered(rpc: RPC) -> None:
            while rpc.is_ready():
                try:
                    each(rpc.get())
                except (OSError, FormatError) as error:
                    rpc.abandon()
                    ended(error)
                    return
                rpc.reset()

        self.module.h.rpc(topic, payload, nodeid, FLUX_RPC_STREAMING).then(answered)

    def publish(self, topic: str, payload: dict[str, Any], private: bool = False) -> None:
        self.module.h.event_send(topic, payload, private)

    def serve(self, topic: str, method: Callable[[Message], None], allow_guest: bool) -> None:
        def deferred(msg: Message) -> Any:
            method(msg)
            return DEFERRED

        self.module.serve(topic, deferred, allow_guest)

    def unserve(self, topic: str) -> None:
        self.module.unserve(topic)

    def later(self, seconds: float, call: Callable[[], None]) -> TimerHandle:
        return self.module.call_later(seconds, call)
