# SPDX-License-Identifier: LGPL-3.0-or-later
"""One broker: it moves messages between peers and loads modules. Everything else is a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.clock import Clock
from rosin.broker.modules import Modules
from rosin.broker.runat import Commands
from rosin.broker.state import StateMachine
from rosin.broker.switch import Switch

if TYPE_CHECKING:
    from rosin.broker.module import BrokerModule
    from rosin.process.zygote import Zygote


class Broker(Switch):
    """The broker of one rank. :func:`rosin.broker.assemble.assemble` makes it."""

    def __init__(
        self,
        *,
        rank: int,
        size: int,
        services: tuple[type[BrokerModule], ...],
        config: dict[str, Any],
        config_path: str | None = None,
        clock: Clock | None = None,
        zygote: Zygote | None = None,
    ) -> None:
        super().__init__(rank, size, config, clock or Clock(), zygote)
        self.modules = Modules(self)
        self.state = StateMachine(self.clock.monotonic())
        self.config_path = config_path
        #: Commands of ``runat.push``.
        self.runat = Commands()
        self._services = services

    async def start(self) -> None:
        """Load the services that are part of it."""
        for service in self._services:
            await self.modules.load_class(service)

    async def close(self) -> None:
        """Stop every module, the newest first, and the broker's own tasks."""
        await self.modules.close()
        await self.tasks.cancel()
