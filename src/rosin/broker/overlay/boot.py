# SPDX-License-Identifier: LGPL-3.0-or-later
"""The first steps of a broker in its tree: finding its place, listening, telling others, connecting."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from rosin.broker.origin import of_parent
from rosin.broker.overlay.bootstrap import Card
from rosin.broker.overlay.topology import OverlayTopology
from rosin.errors import FormatError
from rosin.rfc import fsd
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from rosin.broker.broker import Broker
    from rosin.broker.overlay.bootstrap import Bootstrap
    from rosin.broker.overlay.transport import Transport
    from rosin.broker.overlay.zmq import ZmqTransport
    from rosin.broker.services.overlay import OverlayService


async def boot(service: OverlayService, bootstrap: Bootstrap, transport: Transport | None) -> None:
    """Join a broker to those of its instance; it has said hello then. Raises OSError, one line.

    Without a transport it is ZeroMQ.
    """
    broker = service.broker
    found = await bootstrap.begin()
    if "jobid" in found:
        found |= of_parent()
    for name, value in found.items():
        broker.attrs.define(name, value)
    broker.attrs.define("broker.boot-method", bootstrap.method)
    tree = _tree(bootstrap, broker.attrs.value("tbon.topo"))
    if "broker.critical-ranks" not in broker.attrs.names():
        broker.attrs.define("broker.critical-ranks", Idset(tree.internal()).encode())
    links = service.shape(tree)
    children, above = tree.children(broker.rank), tree.parent(broker.rank)
    attrs = broker.attrs.values()
    if bootstrap.size == 1:
        await bootstrap.exchange(Card(attrs["hostname"], "", []), [])
        await _finish(broker, bootstrap)
        _tell(broker, bootstrap)
        return
    if transport is None:
        transport = zeromq(broker, ipv6=bootstrap.ipv6)
    mine = transport.keys(bootstrap.curve_cert)
    uris = bootstrap.endpoints(children, attrs)
    downlink = await links.below.bind(transport, uris, mine) if uris else None
    card = Card(attrs["hostname"], mine.public, downlink.uris if downlink else [])
    cards = await bootstrap.exchange(card, [*children, *([above] if above is not None else ())])
    if downlink is not None:
        broker.attrs.define("tbon.endpoint", cards[broker.rank].uris[0])
        for child in children:
            links.below.authorize(child, cards[child].public_key)
    await _finish(broker, bootstrap)
    if above is not None:
        uri = await bootstrap.reach(above, attrs)
        broker.attrs.define("tbon.parent-endpoint", uri)
        _tell(broker, bootstrap)
        await links.connect(transport, uri, cards[above].public_key, mine)


def zeromq(broker: Broker, *, ipv6: bool) -> ZmqTransport:
    """The usual transport, as the attributes say."""
    from rosin.broker.overlay.zmq import ZmqTransport

    value = broker.attrs.value
    return ZmqTransport(
        broker.complain,
        io_threads=int(value("tbon.zmq_io_threads")),
        child_rcvhwm=int(value("tbon.child_rcvhwm")),
        user_timeout=fsd.parse(value("tbon.tcp_user_timeout")),
        connect_timeout=fsd.parse(value("tbon.connect_timeout")),
        ipv6=ipv6,
        trace=partial(broker.log, 7, "overlay") if value("tbon.zmqdebug") != "0" else None,
    )


def _tell(broker: Broker, bootstrap: Bootstrap) -> None:
    for line in bootstrap.notices:
        broker.log(4, "overlay", line)


async def _finish(broker: Broker, bootstrap: Bootstrap) -> None:
    for name, value in (await bootstrap.finish()).items():
        broker.attrs.define(name, value)


def _tree(bootstrap: Bootstrap, shape: str) -> OverlayTopology:
    try:
        parents = bootstrap.topology(shape)
        if parents is not None:
            return OverlayTopology(parents)
        return OverlayTopology.parse(shape, bootstrap.size)
    except FormatError as exc:
        raise OSError(errno.EINVAL, str(exc)) from None
