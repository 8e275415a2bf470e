# SPDX-License-Identifier: LGPL-3.0-or-later
"""The shell's handle: a blocking one that can hold requests back to send them in one write, and that tells at
once when its broker is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rosin.handle.flux import Flux
from rosin.handle.framing import frame
from rosin.handle.stream import ConnectionLost

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message


class ShellHandle(Flux):
    """``with handle.corked(): ...`` sends what is requested inside in one write."""

    def __init__(self, uri: str | None = None) -> None:
        super().__init__(uri)
        self._held: list[bytes] | None = None
        self.on_lost: Callable[[OSError], None] | None = None

    def corked(self) -> _Cork:
        """A context in which requests are collected."""
        return _Cork(self)

    def _send(self, msg: Message) -> None:
        if self._held is None:
            super()._send(msg)
            return
        self._check()
        self._held.append(frame(msg))

    def _fail(self, exc: OSError) -> None:
        super()._fail(exc)
        if self.on_lost is not None:
            self.on_lost(exc)

    def _wait(self, future: Future, timeout: float) -> None:
        if self._held:  # what is waited for may depend on it
            self._release()
            self._hold()
        super()._wait(future, timeout)

    def _hold(self) -> None:
        self._held = []

    def _release(self) -> None:
        held, self._held = self._held or [], None
        if held and self._stream is not None:
            try:
                self._stream.send(b"".join(held))
            except ConnectionLost as exc:
                self._disconnected(exc.errnum)


class _Cork:
    def __init__(self, handle: ShellHandle) -> None:
        self._handle = handle

    def __enter__(self) -> None:
        self._handle._hold()

    def __exit__(self, *_exc: object) -> None:
        self._handle._release()
