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
from rosin.broker.clock import Clock
from rosin.broker.overlay.boot import boot
from rosin.broker.services.overlay import OverlayService
from rosin.handle.aio import AsyncFlux
from rosin.process import descriptors
from rosin.rfc.syslog import LogLine
from rosin.testing.bootstrap import MemoryBootstrap
from rosin.testing.network import MemoryNetwork

#: Attributes of an instance without modules, jobs and output.
BARE = {"broker.rc1_path": "", "broker.rc3_path": "", "log-stderr-level": "-1", "log-critical-level": "-1"}


class Life:
    """A broker that :meth:`run` takes through its life, one of several on a *network* if there is one.

    The log stays readable after its end.
    """

    def __init__(self, options: life.BootOptions, network: MemoryNetwork | None = None) -> None:
        self._network = network
        self.instance = life.Life(options, None)
        self._prepared = asyncio.Event()

    @property
    def broker(self) -> Broker:
        return self.instance.broker

    async def run(self) -> int:
        """From the directories to their removal; returns the exit code."""
        try:
            self.instance.prepare()
            self._prepared.set()
            return await self.instance.run()
        finally:
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

    async def stand_still(self, state: str) -> None:
        """Be a broker that others can join, in this state for good."""
        self.instance.prepare()
        await self.broker.start()
        self.broker.state.state = state
        overlay = self.broker.modules["overlay"]
        assert isinstance(overlay, OverlayService)
        assert self.instance.options.bootstrap is not None
        await boot(overlay, self.instance.options.bootstrap, self.instance.options.transport)

    async def end(self) -> None:
        """What stands still ends."""
        await self.broker.close()
        self.instance.clean_up()

    def cut(self, rank: int) -> None:
        """Break the connection to the broker of a rank."""
        assert self._network is not None
        self._network.cut(self.broker.rank, rank)

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
    threshold = gc.get_threshold()

    network = MemoryNetwork(Clock())

    def make(
        *command: str, attrs: dict[str, str] | None = None, rank: int = 0, size: int = 1, **options: Any
    ) -> Life:
        if size > 1:
            attrs = {"hostname": f"host{rank}", **(attrs or {})}
            options |= {"bootstrap": MemoryBootstrap(rank, size), "transport": network.transport(rank)}
        return Life(life.BootOptions(list(command), {**BARE, **(attrs or {})}, **options), network)

    yield make
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    gc.unfreeze()
    gc.set_threshold(*threshold)
