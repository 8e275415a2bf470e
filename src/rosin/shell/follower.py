# SPDX-License-Identifier: LGPL-3.0-or-later
"""How a shell that is not the leader reaches the leader: output entries with credit, and notices.

The leader hands out credits, one per entry; a shell without any stops reading its tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.errors import FormatError
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.shell.connection import ShellHandle

_HIGH_WATER = 1000
_LOW_WATER = 100


class LeaderLink:
    """Requests to the service of the leader shell, on the broker with rank ``leader``."""

    def __init__(self, handle: ShellHandle, service: str, leader: int, shell_rank: int) -> None:
        self._h = handle
        self._service = service
        self._leader = leader
        self._shell_rank = shell_rank
        self._credits = _HIGH_WATER
        self._asked = False
        #: Called with True when the tasks' output must wait, with False when it may go on.
        self.on_pause: Callable[[bool], None] | None = None
        self.on_error: Callable[[OSError | FormatError], None] | None = None

    def notify(self, method: str, payload: dict[str, Any]) -> None:
        """Send a request that has no response."""
        self._h.rpc(f"{self._service}.{method}", payload, self._leader, FLUX_RPC_NORESPONSE)

    def write(self, name: str, context: dict[str, Any]) -> None:
        """Send an entry of the output log."""
        self.notify("write", {"name": name, "shell_rank": self._shell_rank, "context": context})
        self._credits -= 1
        if self._credits <= _LOW_WATER and not self._asked:
            self._asked = True
            request = {"credits": _HIGH_WATER}
            self._h.rpc(f"{self._service}.write-getcredit", request, self._leader).then(self._granted)
        if self._credits <= 0 and self.on_pause is not None:
            self.on_pause(True)

    def _granted(self, rpc: Future) -> None:
        self._asked = False
        try:
            self._credits += field(rpc.get(), "credits", int)
        except (OSError, FormatError) as error:
            if self.on_error is not None:
                self.on_error(error)
            return
        if self.on_pause is not None:
            self.on_pause(False)
