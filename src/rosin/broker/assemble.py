# SPDX-License-Identifier: LGPL-3.0-or-later
"""Making a broker of its attributes and its services, for a process and for a test alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.broker import Broker
from rosin.broker.logsinks import apply_levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.broker.clock import Clock
    from rosin.broker.module import BrokerModule
    from rosin.process.zygote import Zygote


def assemble(
    attrs: Mapping[str, object],
    services: Iterable[type[BrokerModule]],
    *,
    config: dict[str, Any] | None = None,
    config_path: str | None = None,
    clock: Clock | None = None,
    zygote: Zygote | None = None,
) -> Broker:
    """A broker of the attributes' ``rank`` and ``size``; :meth:`Broker.start` loads its ``services``.

    In between is the time to give it neighbours (:mod:`rosin.broker.neighbour`).
    """
    broker = Broker(
        rank=int(str(attrs["rank"])),
        size=int(str(attrs["size"])),
        services=tuple(services),
        config=config or {},
        config_path=config_path,
        clock=clock,
        zygote=zygote,
    )
    for name, value in {**attrs, "broker.uuid": broker.uuid.decode()}.items():
        broker.attrs.define(name, value)
    apply_levels(broker.ring, broker.attrs)
    return broker
