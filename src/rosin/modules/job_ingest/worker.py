# SPDX-License-Identifier: LGPL-3.0-or-later
"""One process of plugins: a line to it for each job, a line from it for each answer.

It has a socket as standard input and output; what it writes to standard error goes to the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.process.outcome import describe
from rosin.process.spawn import ChildProcess, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Bytes of one answer, and of one line of the log, at most.
_ANSWER_MAX = 64 << 20
_LINE_MAX = 1024
#: Lines of one process that are logged; what runs wild must not push everything else out of the log.
_LINES_MAX = 200
#: Seconds that a process has to end when its input does.
_STOP_TIMEOUT = 5.0


#: Variables of a job around this instance that are nothing to a plugin of this one.
_FOREIGN = ("FLUX_JOB_", "FLUX_TASK_", "FLUX_KVS_", "PMI_", "PMIX_")


def environment(env: Mapping[str, str], uri: str) -> dict[str, str]:
    """Return the environment of a process that finds the instance at *uri*."""
    kept = {name: value for name, value in env.items() if not name.startswith(_FOREIGN)}
    return {**kept, "FLUX_URI": uri}


class Ended(Exception):
    """The process has gone, or was made to go; the text is for whoever waits for its answer."""


class PluginProcess:
    """A process. ``answered``: whether it ever did. Raises OSError if it cannot be started."""

    def __init__(self, argv: list[str], env: Mapping[str, str], log: Callable[[str], None]) -> None:
        self.answered = False
        self._log = log
        self._last = ""
        self._lines = 0
        ours, theirs = socket.socketpair()
        reader, writer = os.pipe()
        try:
            self._child: ChildProcess = spawn(
                argv, env=env, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=writer
            )
        except OSError:
            ours.close()
            os.close(reader)
            raise
        finally:
            theirs.close()
            os.close(writer)
        ours.setblocking(False)
        self._sock = ours
        self._stderr = reader
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._reading = asyncio.get_running_loop().create_task(self._read_errors())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    async def ask(self, line: bytes, timeout: float) -> dict[str, Any]:
        """Send a job and return the answer. Raises Ended."""
        try:
            async with asyncio.timeout(timeout):
                answer = await self._exchange(line)
        except TimeoutError:
            await self._kill()
            raise Ended(f"no answer within {timeout:g} seconds: it was killed") from None
        except (OSError, ValueError):  # ValueError: the line is too long
            answer = b""
        if not answer.endswith(b"\n"):
            raise Ended(await self._end())
        try:
            decoded = _json.loads(answer)
            if isinstance(decoded, dict) and type(decoded.get("errnum")) is int:
                self.answered = True
                return decoded
        except ValueError:
            pass
        await self._kill()
        raise Ended(f"it has answered {answer[:60]!r}: expected an object with errnum: it was killed")

    async def _exchange(self, line: bytes) -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._sock, limit=_ANSWER_MAX)
        reader, writer = self._streams
        writer.write(line)
        await writer.drain()
        return await reader.readline()

    async def _end(self) -> str:
        """What is to be said of a process that does not answer any more."""
        await self.stop()
        status = self._child.status or 0
        last = f": {self._last}" if self._last else ""
        return f"it has ended ({describe(status)}){last}"

    def kill(self) -> None:
        """Make it go at once; :meth:`stop` is still to be called."""
        self._child.kill(signal.SIGKILL)

    async def _kill(self) -> None:
        self.kill()
        await self.stop()

    async def stop(self) -> None:
        """End its input, make it go after a while, and let nothing of it stay."""
        if self._streams is not None:
            self._streams[1].close()
        else:
            self._sock.close()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await asyncio.shield(self._reading)  # ends with the last descriptor
        except TimeoutError:
            self._reading.cancel()
        self.kill()
        await self._reap()

    async def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        fd = self._child.pidfd
        if fd is None:  # a system without pidfds, or a status that has been collected
            await loop.run_in_executor(None, self._child.wait)
            return
        ended = asyncio.Event()
        loop.add_reader(fd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(fd)
        self._child.poll()

    async def _read_errors(self) -> None:
        """Log what it writes to standard error, until nobody can any more."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LINE_MAX)
        with os.fdopen(self._stderr, "rb", buffering=0) as file:
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
            with contextlib.closing(transport):
                while chunk := await reader.read(_LINE_MAX * 16):
                    for line in chunk.decode(errors="replace").splitlines():
                        self._note(line[:_LINE_MAX])

    def _note(self, line: str) -> None:
        if not line.strip():
            return
        self._last = line.strip()
        self._lines += 1
        if self._lines <= _LINES_MAX:
            self._log(line)
        elif self._lines == _LINES_MAX + 1:
            self._log("and more, which is not logged")
