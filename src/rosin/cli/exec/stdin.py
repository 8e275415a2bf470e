# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard input of ``rosin exec``: the same bytes for all processes, as fast as the slowest takes them."""

from __future__ import annotations

import os

from rosin.constants import FLUX_POLLIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.cli.exec.remote import Remote
    from rosin.handle.flux import Flux

_CHUNK = 1 << 16


class ExecStdin:
    """Reads standard input when all processes have started and have room for it.

    ``flow``: each of them says how much it takes. ``write`` sends one the next bytes, and whether these are
    the last. What one process tells costs the same however many there are.
    """

    def __init__(
        self, h: Flux, remotes: Iterable[Remote], flow: bool, write: Callable[[Remote, bytes, bool], None]
    ) -> None:
        self._targets = dict.fromkeys(remotes)
        self._full = set(self._targets)  # those that have not started, or have no room
        self._flow = flow
        self._write = write
        self._watcher = h.fd_watcher_create(0, self._readable, FLUX_POLLIN)
        self._watching = False
        self._ended = False

    def close(self) -> None:
        """Read no more."""
        self._watch(False)

    def update(self, remote: Remote) -> None:
        """A process has started, failed to, taken something in, or ended. Read if all have room."""
        if remote.done:
            self._targets.pop(remote, None)
        if remote.done or (remote.pid > 0 and (remote.credit > 0 or not self._flow)):
            self._full.discard(remote)
        else:
            self._full.add(remote)
        self._resume()

    def _resume(self) -> None:
        self._watch(bool(self._targets) and not self._full and not self._ended)

    def _watch(self, wanted: bool) -> None:
        if wanted != self._watching:
            self._watching = wanted
            if wanted:
                self._watcher.start()
            else:
                self._watcher.stop()

    def _readable(self, *_args: object) -> None:
        room = min((remote.credit for remote in self._targets), default=_CHUNK) if self._flow else _CHUNK
        try:
            data = os.read(0, min(room, _CHUNK))
        except BlockingIOError:
            return
        except OSError:
            data = b""  # a closed or lost standard input has nothing more to give
        self._ended = not data
        for remote in self._targets:
            remote.credit -= len(data)
            if self._flow and remote.credit <= 0:
                self._full.add(remote)
            self._write(remote, data, self._ended)
        self._resume()
