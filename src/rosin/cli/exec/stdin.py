# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard input of ``rosin exec``: the same bytes for all processes, as fast as the slowest takes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.constants import FLUX_POLLIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.cli.exec.remote import Remote
    from rosin.handle.flux import Flux

_CHUNK = 1 << 16


class ExecStdin:
    """Reads standard input when all processes have started and have room for it.

    ``flow``: each of them says how much it takes. ``write`` sends one the next bytes, and whether these are
    the last.
    """

    def __init__(
        self, h: Flux, remotes: list[Remote], flow: bool, write: Callable[[Remote, bytes, bool], None]
    ) -> None:
        self._remotes = remotes
        self._flow = flow
        self._write = write
        self._watcher = h.fd_watcher_create(0, self._readable, FLUX_POLLIN)
        self._watching = False
        self._ended = False

    def close(self) -> None:
        """Read no more."""
        if self._watching:
            self._watcher.stop()
            self._watching = False

    def started(self) -> None:
        """A process has started, or failed to."""
        if not self._flow:
            self.resume()

    def _targets(self) -> list[Remote]:
        return [remote for remote in self._remotes if not remote.done]

    def _room(self) -> int:
        """How much all processes can take; 0 as long as one has not started."""
        targets = self._targets()
        if not targets or any(remote.pid < 0 for remote in targets):
            return 0
        return min(remote.credit for remote in targets) if self._flow else _CHUNK

    def resume(self) -> None:
        """Read if there is room, else wait for it."""
        wanted = not self._ended and self._room() > 0
        if wanted != self._watching:
            self._watching = wanted
            if wanted:
                self._watcher.start()
            else:
                self._watcher.stop()

    def _readable(self, *_args: object) -> None:
        try:
            data = os.read(0, min(self._room(), _CHUNK))
        except BlockingIOError:
            return
        except OSError:
            data = b""  # a closed or lost standard input has nothing more to give
        self._ended = not data
        for remote in self._targets():
            remote.credit -= len(data)
            self._write(remote, data, self._ended)
        self.resume()
