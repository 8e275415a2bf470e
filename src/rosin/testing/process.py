# SPDX-License-Identifier: LGPL-3.0-or-later
"""A real instance in its own process, for tests of what only a process shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

# Announces that the instance is up, then lives until its standard input is closed.
_PROGRAM = 'echo "$FLUX_URI"; cat >/dev/null'


class RealInstance:
    """``rosin start`` with an initial program that waits; a context manager.

    ``options`` are further options of ``rosin start``; ``env`` is added to the environment. ``uri`` names the
    socket, ``stderr`` collects what the broker printed once the instance has ended.
    """

    def __init__(self, *options: str, env: dict[str, str] | None = None) -> None:
        self.command = [sys.executable, "-m", "rosin", "start", *options, "sh", "-c", _PROGRAM]
        self.env = {**os.environ, **(env or {})}
        self.uri = ""
        self.stderr = ""
        self.process: subprocess.Popen[str]

    def __enter__(self) -> RealInstance:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()

    def start(self) -> None:
        """Start and wait until the initial program runs. Raises RuntimeError with the broker's last words."""
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()
        if not self.uri:
            _, self.stderr = self.process.communicate()
            raise RuntimeError(f"the instance did not start: {self.stderr}")

    def stop(self, timeout: float = 60.0) -> int:
        """End the initial program and wait for the exit code of the instance."""
        try:
            _, self.stderr = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self.process.returncode

    def kill(self) -> None:
        """``kill -9`` of the broker alone; its descendants must notice by themselves."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        # The initial program is not ours to leave behind.
        if self.process.stdin is not None:
            self.process.stdin.close()

    def run(self, *command: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
        """Run a ``rosin`` command in this instance; text output is captured."""
        options: dict[str, object] = {"capture_output": True, "text": True, "timeout": 120, **kwargs}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [sys.executable, "-m", "rosin", *command], env={**self.env, "FLUX_URI": self.uri}, **options
        )
