# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard input of ``rosin exec``: the same bytes for all processes, as fast as the slowest takes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.constants import FLUX_POLLIN

if TYPE_CHECKING:
    from rosin.cli.exec.run import Remote, Runner

_CHUNK = 1 << 16


class Input:
    """Reads standard input when all processes have started and have room for it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._watcher = runner.h.fd_watcher_create(0, self._readable, FLUX_POLLIN)
        self._watching = False
        self._ended = False

    def close(self) -> None:
        """Read no more."""
        if self._watching:
            self._watcher.stop()
            self._watching = False

    def started(self) -> None:
        """A process has started, or failed to."""
        if not self._runner.flow:
            self.resume()

    def _targets(self) -> list[Remote]:
        return [remote for remote in self._runner.remotes if not remote.done]

    def _room(self) -> int:
        """How much all processes can take; 0 as long as one has not started."""
        targets = self._targets()
        if not targets or any(remote.pid < 0 for remote in targets):
            return 0
        return min(remote.credit for remote in targets) if self._runner.flow else _CHUNK

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
            self._runner.write(remote, data, self._ended)
        self.resume()
