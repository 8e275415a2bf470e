# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the subprocess server needs of the program that it is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.process.loop import Loop
    from rosin.process.zygote import Zygote
    from rosin.remote.command import Command
    from rosin.rfc.message import Message


class ServerLog(Protocol):
    """Where the output of background processes goes, and what is wrong."""

    def info(self, text: str) -> None: ...
    def error(self, text: str) -> None: ...


class SubprocessHost(Protocol):
    """What the server is part of: the ``rank`` of the broker, a loop, a log, answers."""

    rank: int

    @property
    def loop(self) -> Loop: ...
    @property
    def log(self) -> ServerLog: ...
    @property
    def zygote(self) -> Zygote | None: ...
    @property
    def collects(self) -> bool:
        """Whether the host waits for children itself, and tells :meth:`SubprocessServer.reaped` of each."""

    @property
    def keeps(self) -> bool:
        """Whether processes can outlive the host."""

    def forsaken(self) -> None:
        """A process that can outlive the host has lost its client: call ``end_unclaimed`` in a while."""

    def environment(self, command: Command) -> dict[str, str]:
        """The environment of a command's process."""

    def respond(self, msg: Message, payload: object = None) -> None: ...
    def respond_error(self, msg: Message, errnum: int, text: str | None = None) -> None: ...
    def call_soon_once(self, callback: Callable[[], Any]) -> None: ...
    def drain(self, msg: Message, done: Callable[[int], None]) -> None:
        """Call ``done(share)`` when the sender of a request has taken what was sent to it before; it may be
        sent so many bytes ahead then."""
