# SPDX-License-Identifier: LGPL-3.0-or-later
"""The life of a broker process (rosin.broker.life) without the process, on the test's own loop."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rosin.broker import life
from rosin.broker.broker import Broker
from rosin.handle.aio import AsyncFlux
from rosin.process import descriptors
from rosin.rfc.syslog import LogLine
from rosin.testing.link import Link

#: Attributes of an instance without modules, jobs and output.
BARE = {"broker.rc1_path": "", "broker.rc3_path": "", "log-stderr-level": "-1", "log-critical-level": "-1"}


class Life:
    """A broker that :meth:`run` takes through its life, linked to its parent, if it has one.

    The log stays readable after its end.
    """

    def __init__(self, options: life.BootOptions, parent: Life | None = None) -> None:
        self._parent = parent
        self.link: Link | None = None
        self.instance = life.Life(options, None)
        self._prepared = asyncio.Event()

    @property
    def broker(self) -> Broker:
        return self.instance.broker

    async def run(self) -> int:
        """From the directories to their removal; returns the exit code."""
        try:
            self.instance.prepare()
            if self._parent is not None:
                self.link = Link(self._parent.broker, self.broker)
            self._prepared.set()
            return await self.instance.run()
        finally:
            if self.link is not None:
                self.link.cut()
            self.instance.clean_up()

    async def until(self, text: str) -> None:
        """Wait for a log line with this text."""
        await self._prepared.wait()
        seen = asyncio.Event()

        def look(_line: bytes) -> None:
            if self.logged(text):
                seen.set()

        self.broker.ring.listeners.add(look)
        look(b"")
        await seen.wait()
        self.broker.ring.listeners.discard(look)

    def logged(self, text: str = "") -> list[tuple[int, str]]:
        """Severity and text of the log's entries with this text."""
        entries = [LogLine(line) for line in self.broker.ring.lines]
        return [(entry.severity, entry.text) for entry in entries if text in entry.text]

    def transitions(self) -> list[str]:
        """What the state machine went through: ``event: state->state``."""
        return [text.rpartition(" ")[0] for _, text in self.logged("->")]

    async def connect(self) -> AsyncFlux:
        """A client on its socket."""
        return await AsyncFlux.connect(self.broker.attrs.value("local-uri"))


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Life]]:
    """``live(*command, attrs=..., config=...)``: an instance; what it does to this process is undone."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    monkeypatch.setattr(descriptors, "_original", None)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def make(
        *command: str, attrs: dict[str, str] | None = None, parent: Life | None = None, **options: Any
    ) -> Life:
        return Life(life.BootOptions(list(command), {**BARE, **(attrs or {})}, **options), parent)

    yield make
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    gc.unfreeze()
