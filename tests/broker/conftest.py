# SPDX-License-Identifier: LGPL-3.0-or-later
"""The life of a broker process (rosin.broker.boot) without the process, on the test's own loop."""

import asyncio
import gc
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rosin.broker import boot
from rosin.broker.broker import Broker
from rosin.handle.aio import AsyncFlux
from rosin.process import descriptors
from rosin.rfc.syslog import LogLine

#: Attributes of an instance without modules, jobs and output.
BARE = {"broker.rc1_path": "", "broker.rc3_path": "", "log-stderr-level": "-1", "log-critical-level": "-1"}


class Life:
    """An instance that :meth:`run` takes through its life; the log stays readable after its end."""

    def __init__(self, options: boot.BootOptions) -> None:
        self.instance = boot.Instance(options, None)
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

        self.broker.ring.followers.add(look)
        look(b"")
        await seen.wait()
        self.broker.ring.followers.discard(look)

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

    def make(*command: str, attrs: dict[str, str] | None = None, **options: Any) -> Life:
        return Life(boot.BootOptions(list(command), {**BARE, **(attrs or {})}, **options))

    yield make
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    gc.unfreeze()
