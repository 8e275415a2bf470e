# SPDX-License-Identifier: LGPL-3.0-or-later
"""One of the two implementations under measurement: its command and a running instance of it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rosin.handle import Flux

if TYPE_CHECKING:
    from collections.abc import Callable

_PROGRAM = 'echo "$FLUX_URI"; cat >/dev/null'


def rate(count: int, work: Callable[[], None]) -> float:
    """How many of *count* things *work* does in a second."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


class Side:
    """``command`` is the front end (``rosin`` or ``flux``), called as a user calls it; ``size`` is the number
    of brokers of its instance, which may have a state directory that stays."""

    def __init__(self, name: str, command: str, size: int = 1, statedir: str = "") -> None:
        self.name = name
        self.command = command
        self.size = size
        self.statedir = statedir
        self.uri = ""
        self._process: subprocess.Popen[str] | None = None
        self._other: Side | None = None

    @property
    def env(self) -> dict[str, str]:
        # Rosin runs from its source tree here and keeps its compiled files, as an installed one does.
        skip = ("FLUX_", "PYTHONDONTWRITEBYTECODE")
        env = {key: value for key, value in os.environ.items() if not key.startswith(skip)}
        return {**env, "FLUX_URI": self.uri} if self.uri else env

    @property
    def options(self) -> list[str]:
        """The options of ``start`` for so many brokers; one broker is started without a launcher."""
        size = [f"--test-size={self.size}"] if self.size > 1 else []
        return [*size, f"-Sstatedir={self.statedir}"] if self.statedir else size

    def of(self, size: int) -> Side:
        """A running instance of so many brokers beside this one. It ends with this one, or when another size
        is asked for: brokers that are not measured would only take time from those that are."""
        if self._other is not None and self._other.size != size:
            self._other.stop()
            self._other = None
        if self._other is None:
            self._other = Side(self.name, self.command, size)
            self._other.start()
        return self._other

    def start(self) -> None:
        """Start an instance that lives until :meth:`stop`."""
        self._process = subprocess.Popen(
            [self.command, "start", *self.options, "sh", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.env,
            text=True,
        )
        assert self._process.stdout is not None
        self.uri = self._process.stdout.readline().strip()
        if not self.uri:
            raise RuntimeError(f"{self.name}: the instance did not start")

    def stop(self) -> None:
        """End the instance, and the one beside it."""
        if self._other is not None:
            self._other.stop()
            self._other = None
        if self._process is not None:
            self._process.communicate()
            self._process = None
            self.uri = ""

    def run(self, *args: str) -> float:
        """Wall seconds of one command; its output is read and thrown away. Raises when it fails."""
        began = time.perf_counter()
        subprocess.run([self.command, *args], env=self.env, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    def open(self, rank: int = 0) -> Flux:
        """A handle to the broker of a rank: the same client code for both sides."""
        if not rank:
            return Flux(self.uri)
        with Flux(self.uri) as h:
            return Flux(h.rpc("attr.get", {"name": "local-uri"}, rank).get()["value"])

    def memory(self) -> float:
        """MiB of the brokers, what has launched them, and their module processes (proportional set size)."""
        assert self._process is not None
        return sum(_pss(pid) for pid in _tree(self._process.pid) if not _is_program(pid)) / 1024


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:  # it ended meanwhile
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def _is_program(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].rpartition(b"/")[2] in (b"sh", b"cat")


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
