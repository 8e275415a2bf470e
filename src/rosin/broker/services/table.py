# SPDX-License-Identifier: LGPL-3.0-or-later
"""The services that every broker has, in the order in which they are loaded."""

from __future__ import annotations

from rosin.broker.services.attr import AttrService
from rosin.broker.services.config import ConfigService
from rosin.broker.services.event import EventService
from rosin.broker.services.log import LogService
from rosin.broker.services.modules import ModuleService
from rosin.broker.services.overlay import OverlayService
from rosin.broker.services.process import BrokerService
from rosin.broker.services.state_machine import StateMachineService

#: A broker with a socket has the local connector after these.
BUILTINS = (
    AttrService,
    BrokerService,
    EventService,
    LogService,
    ModuleService,
    ConfigService,
    OverlayService,
    StateMachineService,
)
