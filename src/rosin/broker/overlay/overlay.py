# SPDX-License-Identifier: LGPL-3.0-or-later
"""What joins one broker to the others of its instance: the link above it, and those below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.broker.overlay.above import Above
from rosin.broker.overlay.below import Below
from rosin.broker.overlay.hello import Control, control
from rosin.broker.overlay.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.broker import Broker
    from rosin.broker.overlay.children import Child, Children
    from rosin.broker.overlay.topology import OverlayTopology
    from rosin.broker.overlay.transport import Keys, Transport
    from rosin.rfc.message import Message


class Overlay:
    """The place of a broker in a tree. ``changed(child)`` is told of each change: below, or (None) above."""

    def __init__(
        self, broker: Broker, tree: OverlayTopology, changed: Callable[[Child | None], None]
    ) -> None:
        self.tree = tree
        self._changed = changed
        self._around = Surroundings(broker)
        parent = tree.parent(broker.rank)
        self.above = None if parent is None else Above(self._around, parent, lambda: self._changed(None))
        self.below = Below(self._around, tree, self._below_changed)

    @property
    def children(self) -> Children:
        """Those below, and how they are."""
        return self.below.children

    def trace(self, tracer: Callable[[str, int, Message], None] | None) -> None:
        """Show the messages that pass: ``tx`` or ``rx``, the rank of the other broker, the message."""
        self._around.trace = tracer

    def _below_changed(self, child: Child, all_of_it: bool) -> None:
        if all_of_it and self.above is not None:
            self.above.send(control(Control.STATUS, self.children.status))
        self._changed(child)

    async def connect(self, transport: Transport, uri: str, server_key: str, keys: Keys) -> None:
        """Connect to the broker above and say hello. Raises OSError."""
        assert self.above is not None
        await self.above.connect(transport, uri, server_key, keys, self.children.status)

    def pending(self) -> tuple[int, int]:
        """Requests that wait for the broker above, and for those below."""
        above = self.above.parent if self.above is not None else None
        return 0 if above is None else above.pending, self.below.pending

    def close(self) -> None:
        """Take all links down."""
        if self.above is not None:
            self.above.close("offline")
        self.below.close()
