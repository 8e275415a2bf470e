# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who is told of resource events: consumers of the journal (RFC 44), and the scheduler (RFC 28)."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from errno import EBUSY
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.modules.resource.availability import Acquisition

    Messages = asyncio.Queue[dict[str, Any]]


class Listeners:
    """Queues of messages, one for each stream."""

    def __init__(self) -> None:
        self._consumers: set[Messages] = set()
        self._acquirer: Messages | None = None
        #: What the scheduler has been told; None before it has been told anything.
        self.acquisition: Acquisition | None = None
        #: Tell the scheduler nothing more.
        self.muted = False

    @property
    def acquired(self) -> bool:
        """A scheduler holds the resources."""
        return self._acquirer is not None

    @contextmanager
    def consumer(self) -> Iterator[Messages]:
        """The messages to one consumer of the journal."""
        queue: Messages = asyncio.Queue()
        self._consumers.add(queue)
        try:
            yield queue
        finally:
            self._consumers.discard(queue)

    @contextmanager
    def acquirer(self) -> Iterator[Messages]:
        """The messages to the scheduler. Raises OSError EBUSY when there is one already."""
        if self._acquirer is not None:
            raise OSError(EBUSY, "resources are acquired already: unload the scheduler that holds them")
        queue: Messages = asyncio.Queue()
        self._acquirer = queue
        try:
            yield queue
        finally:
            self._acquirer = self.acquisition = None

    def tell(self, event: dict[str, Any], message: dict[str, Any]) -> None:
        """An event has taken effect; *message* is for consumers of the journal."""
        for queue in self._consumers:
            queue.put_nowait(message)
        if self._acquirer is not None and self.acquisition is not None and not self.muted:
            if event["name"] == "resource-update":
                self._acquirer.put_nowait(event["context"])
            change = self.acquisition.update()
            if change:
                self._acquirer.put_nowait(change)
