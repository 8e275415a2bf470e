# SPDX-License-Identifier: LGPL-3.0-or-later
"""A real instance in its own process, for tests of what only a process shows."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
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
        self._made: list[str] = []

    def __enter__(self) -> RealInstance:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        else:  # it was killed, or has ended by itself
            self._collect()

    def start(self) -> None:
        """Start and wait until the initial program runs. Raises RuntimeError with the broker's last words."""
        # A file takes whatever the broker says; a pipe that nobody reads would make it wait.
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()
        if not self.uri:
            self.process.wait()
            self._collect()
            raise RuntimeError(f"the instance did not start: {self.stderr}")
        self._made = _temporary_directories(self.process.pid)

    def _collect(self) -> None:
        """Close the pipes, keep what was printed and remove what a killed broker has left; once."""
        if self._stderr.closed:
            return
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self._stderr.seek(0)
        self.stderr = self._stderr.read()
        self._stderr.close()
        for directory in self._made:
            shutil.rmtree(directory, ignore_errors=True)

    def stop(self, timeout: float = 60.0) -> int:
        """End the initial program and wait for the exit code of the instance."""
        try:
            self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._collect()
        return self.process.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for the exit code of an instance that ends by itself; its initial program is not told to."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._collect()
        return self.process.returncode

    def kill(self) -> None:
        """``kill -9`` of the broker alone; its descendants must notice by themselves."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._collect()

    def run(self, *command: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
        """Run a ``rosin`` command in this instance; text output is captured."""
        options: dict[str, object] = {"capture_output": True, "text": True, "timeout": 120, **kwargs}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [sys.executable, "-m", "rosin", *command], env={**self.env, "FLUX_URI": self.uri}, **options
        )


def _temporary_directories(pid: int) -> list[str]:
    """The directories that a broker has made for itself: it has claimed each of them.

    It may have others open for a moment, while it looks for what killed instances have left.
    """
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd") if os.path.isdir("/proc") else ():
        try:
            path = os.readlink(f"/proc/{pid}/fd/{fd}")
            claimed = "FLOCK" in Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
        except OSError:  # it has just been closed
            continue
        if claimed and os.path.basename(path).startswith("flux-") and os.path.isdir(path):
            found.add(path)
    return sorted(found)


def processes_with(variable: str) -> list[int]:
    """The processes whose environment has ``variable`` (``"NAME=VALUE"``), zombies excepted."""
    needle = variable.encode()
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if needle in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    """What ``/proc`` shows of a process; nothing when it has ended or is not ours.

    In the midst of execve(2) every process seems to have none. It works then and does not sleep, but may
    have to wait for a processor, and nothing tells when it goes on: this looks again, for 5 s.
    """
    content = b""
    try:
        for _ in range(1000):
            with open(f"/proc/{pid}/environ", "rb") as file:
                content = file.read()
            if content or not _is_busy(pid):
                break
            time.sleep(0.005)
    except OSError:
        return []
    return content.split(b"\0")


def _is_busy(pid: int) -> bool:
    """Whether a process is running or waiting for a page. Raises OSError for a thread of the kernel."""
    os.readlink(f"/proc/{pid}/exe")
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] in (b"R", b"D")


def settable(mask: str) -> set[int]:
    """The signals in a mask of ``/proc/PID/status`` (hexadecimal), without those that the C library keeps to
    itself (32 and 33 in glibc): whether they are ignored is inherited, and no program can change it."""
    bits = int(mask, 16)
    return {int(signum) for signum in signal.valid_signals() if bits >> (signum - 1) & 1}


def wait_until_gone(variable: str, timeout: float = 30.0) -> list[int]:
    """Wait for the end of all processes with a variable; returns those that are left after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    while left := processes_with(variable):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return left
        try:
            pidfd = os.pidfd_open(left[0])
        except ProcessLookupError:
            continue
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(remaining * 1000)
        os.close(pidfd)
    return []
