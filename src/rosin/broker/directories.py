# SPDX-License-Identifier: LGPL-3.0-or-later
"""The directories of one broker: claimed at its start; those that it has made go with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rosin.broker import rundir
from rosin.process import leftover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Directories:
    """``given``: the attributes of the start; ``log(severity, text)`` tells what is not as expected.

    Several brokers of one instance may share a rundir. The statedir is that of the first one alone. A
    launcher shares both, and removes them at its end; if that is gone, the last of its brokers does.
    """

    def __init__(
        self, given: Mapping[str, str], log: Callable[[int, str], None], *, rank: int = 0, size: int = 1
    ) -> None:
        self._given = given
        self._log = log
        self._first = not rank
        self._shared = size > 1
        self._launched = False
        self._made: list[str] = []
        self._locks: dict[str, int] = {}

    def claim(self) -> dict[str, str]:
        """Make or check the directories and claim them; returns their attributes. Raises OSError."""
        values = {}
        for name in ("rundir", "statedir") if self._first else ("rundir",):
            values[name], values[f"{name}-cleanup"] = self._claim(name)
        if self._first:
            self._keep_private(values)
            self._made += rundir.link_command(values["rundir"])
        notice = rundir.notice(values["rundir"], named="rundir" in self._given)
        if notice:
            self._log(4, notice)
        return values

    def release(self) -> None:
        """Remove those that go, and let go of the others."""
        for path in self._made:
            rundir.remove(path)
        for path, fd in self._locks.items():
            if leftover.is_last(path, fd):
                rundir.remove(path)
            os.close(fd)

    def _claim(self, name: str) -> tuple[str, str]:
        """Returns the path of a directory, and whether it goes ("1") at the end."""
        given = self._given.get(name)
        path, made = rundir.prepare(name, given)
        keep = self._given.get(f"{name}-cleanup", "1" if made else "0") == "0"
        if not keep:
            self._made.append(path)
        if path not in self._locks:
            try:
                self._locks[path] = rundir.lock(path, name, shared=self._is_shared(name, path))
            except OSError:
                if not keep:
                    self._made.remove(path)  # it is another's
                raise
        named = given is not None and path == os.path.abspath(given)
        if not keep and not named:
            leftover.mark(path)
        elif keep and not self._launched:
            leftover.unmark(path)
        if made and named and not keep:
            self._log(
                5, f"{name} {path} is new and is removed at the end; make it first, or set {name}-cleanup=0"
            )
        return path, "0" if keep else "1"

    def _is_shared(self, name: str, path: str) -> bool:
        if name == "rundir":
            self._launched = os.environ.get("FLUX_START_URI") == f"local://{path}/start"
        return self._launched or (self._shared and name == "rundir")

    def _keep_private(self, values: Mapping[str, str]) -> None:
        """State is the owner's alone. Guests may need a rundir: one that is the statedir stays as it is."""
        path = values["statedir"]
        if path == values["rundir"]:
            return
        mode = rundir.make_private(path)
        if mode is not None:
            self._log(5, f"statedir {path} was open to other users ({mode:04o}): it is 0700 now")
