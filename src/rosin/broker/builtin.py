# SPDX-License-Identifier: LGPL-3.0-or-later
"""Services that are part of the broker: they alone see more of it than its Host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.broker.broker import Broker
from rosin.broker.module import BrokerModule
from rosin.broker.module_peer import ModulePeer

if TYPE_CHECKING:
    from rosin.broker.host import Host


class Builtin(BrokerModule):
    """A service of the broker itself: it lives in its process and cannot be removed."""

    builtin = True

    def __init__(self, host: Host, name: str, args: list[str]) -> None:
        super().__init__(host, name, args)
        assert isinstance(host, ModulePeer)
        assert isinstance(host.switch, Broker)
        self.broker: Broker = host.switch
