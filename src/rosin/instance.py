# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance that a Python program starts for itself, and that ends with it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.handle.flux import Flux

# Says that the instance is up, then lives until its standard input ends: when the program that started it
# has ended, however it did.
_PROGRAM = 'echo "$FLUX_URI"; exec cat >/dev/null'


class Instance:
    """A Flux instance of this program's own: a context manager, or :meth:`start` and :meth:`stop`.

    >>> with rosin.Instance() as instance:
    ...     h = instance.connect()

    ``options`` are those of ``rosin start`` (``"-S", "log-stderr-level=6"``). ``environ``: the environment
    of the instance and, if it has no other, of its jobs; this program's by default. What the broker has to
    say goes to standard error. The instance also ends when the program ends without stopping it, even by
    ``kill -9``; its running jobs are then cancelled.

    Attributes: ``uri``, for :class:`Flux`, the variable FLUX_URI and other programs; "" while it does not
    run.
    """

    def __init__(self, *options: str, environ: Mapping[str, str] | None = None) -> None:
        self.uri = ""
        self._command = [sys.executable, "-m", "rosin", "start", *options, "sh", "-c", _PROGRAM]
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 60.0) -> Instance:
        """Start it and wait until it is ready; returns self.

        Raises RuntimeError when it ends instead (standard error says why) or runs already, and
        TimeoutError after ``timeout`` seconds.
        """
        if self._process is not None:
            raise RuntimeError(f"this instance runs already: {self.uri}")
        environ = dict(os.environ if self._environ is None else self._environ)
        self._process = subprocess.Popen(
            self._command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            self.uri = self._announced(timeout)
        except BaseException:
            self.stop()
            raise
        return self

    def _announced(self, timeout: float) -> str:
        """The line that the initial program prints."""
        assert self._process is not None
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"rosin start is not ready after {timeout:g} s")
            data = os.read(fd, 4096)
            if not data:
                code = self._process.wait()
                raise RuntimeError(f"rosin start ended with exit code {code} before the instance was ready")
            line += data
        return line.decode().strip()

    def connect(self) -> Flux:
        """A new handle. Raises OSError when it does not run."""
        from rosin.handle.flux import Flux

        if not self.uri:
            raise ConnectionRefusedError(
                "this instance does not run: call start(), or use it in a with block"
            )
        return Flux(self.uri)

    def stop(self, timeout: float = 60.0) -> int:
        """End it, with its running jobs cancelled, and return the exit code of the broker; 0 if it does
        not run.

        One that has not ended after ``timeout`` seconds is killed.
        """
        process, self._process, self.uri = self._process, None, ""
        if process is None:
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            process.stdout.close()

    def __enter__(self) -> Instance:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<rosin.Instance {self.uri or 'not running'}>"
