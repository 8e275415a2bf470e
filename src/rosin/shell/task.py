# SPDX-License-Identifier: LGPL-3.0-or-later
"""One task: its process, its three streams and its PMI channel.

A task is complete when its process has ended *and* both output streams have; a child that it left behind
with the streams open keeps it incomplete, as in a shell pipeline.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.process import refused
from rosin.process.outcome import unstarted
from rosin.process.pump import Pump, Sink
from rosin.process.spawn import ChildProcess, output_pipe, spawn
from rosin.rfc.pmi import Lines
from rosin.shell.errors import ShellError

if TYPE_CHECKING:
    from rosin.handle.reactor import Reactor
    from rosin.rfc.pmi.version2 import Frames
    from rosin.shell.pty import Pty


class Task:
    """``rank`` in the job, ``localid`` on this node. The attributes count when it is started."""

    def __init__(
        self, rank: int, localid: int, argv: list[str], env: dict[str, str], reactor: Reactor
    ) -> None:
        self.rank = rank
        self.localid = localid
        self.argv = argv
        self.env = env
        self.child: ChildProcess | None = None
        self.stdin: Sink | None = None
        self.completed = False
        self._reactor = reactor
        self._pumps: dict[str, Pump] = {}
        #: Per stream, whether unfinished lines are held back.
        self.line = {"stdout": False, "stderr": False}
        #: The file to read instead of the job's input.
        self.stdin_path: str | None = None
        #: What stands for all three streams.
        self.terminal: Pty | None = None
        #: Whether it has a PMI channel.
        self.pmi = False
        self._pmi: socket.socket | None = None
        self._pmi_lines: Lines | Frames = Lines()
        self._paused = False
        #: Called with the stream, a chunk, and whether it was the last one; then, after the last one, on_end.
        self.on_output: Callable[[Task, str, bytes, bool], None] | None = None
        self.on_end: Callable[[Task], None] | None = None
        self.on_pmi: Callable[[Task, str], None] | None = None
        self.on_pmi_end: Callable[[Task], None] | None = None

    @property
    def descriptors(self) -> int:
        """How many the shell needs for it."""
        return self.pmi + (0 if self.terminal is not None else len(self.line) + (self.stdin_path is None))

    def start(self, *, group: bool, stop: bool, large_pipes: bool) -> None:
        """Run the command, in a process ``group`` of its own, or ``stop`` it before. Raises OSError, which
        :func:`start_error` explains, when the program cannot be run."""
        terminal = self.terminal
        feeder: int | None = None
        ours = theirs = None
        pipes: dict[str, tuple[int, int]] = {}
        with contextlib.ExitStack() as given, contextlib.ExitStack() as kept:  # descriptors to be closed
            if terminal is not None:
                source = os.dup(terminal.follower)
            elif self.stdin_path is None:
                source, feeder = os.pipe()
                kept.callback(os.close, feeder)
            else:
                source = os.open(self.stdin_path, os.O_RDONLY | os.O_CLOEXEC)
            given.callback(os.close, source)
            for name in self.line if terminal is None else ():
                pipes[name] = reader, writer = output_pipe(large=large_pipes)
                kept.callback(os.close, reader)
                given.callback(os.close, writer)
            if self.pmi:
                ours, theirs = socket.socketpair()
                kept.enter_context(ours)
                given.enter_context(theirs)
                self.env["PMI_FD"] = str(theirs.fileno())
            out, err = (source, source) if terminal else (pipes["stdout"][1], pipes["stderr"][1])
            self.child = self._spawn(source, out, err, theirs, group, stop)
            kept.pop_all()  # it runs: the ends of this process stay open
        self.stdin = None if feeder is None else Sink(feeder)
        for name, (reader, _) in pipes.items():
            self._pumps[name] = Pump(reader, line=self.line[name])
            self._watch(name)
        if ours is not None:
            ours.setblocking(False)
            self._pmi = ours
            self._reactor.add_fd(ours.fileno(), self._pmi_ready)

    def _spawn(
        self, source: int, out: int, err: int, pmi: socket.socket | None, group: bool, stop: bool
    ) -> ChildProcess:
        fds = () if pmi is None else (pmi.fileno(),)

        def run(words: list[str]) -> ChildProcess:
            return spawn(
                words,
                env=self.env,
                stdin=source,
                stdout=out,
                stderr=err,
                pass_fds=fds,
                process_group=group,
                terminal=self.terminal is not None,
                stopped=stop,
            )

        try:
            return run(self.argv)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # A script without "#!" is the shell's to run, as execvp has it.
            return run(["/bin/sh", refused.find(self.argv[0], self.env), *self.argv[1:]])

    def _watch(self, name: str) -> None:
        self._reactor.add_fd(self._pumps[name].fd, lambda _events: self._read(name))

    def _read(self, name: str) -> None:
        pump = self._pumps[name]
        data = pump.on_readable()
        if pump.eof:
            self._reactor.remove_fd(pump.fd)
            pump.close()
            del self._pumps[name]
        if data or pump.eof:
            self.output(name, data, pump.eof)

    def output(self, stream: str, data: bytes, eof: bool) -> None:
        """Take what came out of a pipe or a terminal; ``eof``: it is the last of that stream."""
        if self.on_output is not None:
            self.on_output(self, stream, data, eof)
        if eof and self.on_end is not None:
            self.on_end(self)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading output: the pipe then holds the task back."""
        if paused == self._paused:
            return
        self._paused = paused
        if self.terminal is not None:
            self.terminal.pause(paused)
        for name, pump in self._pumps.items():
            if paused:
                self._reactor.remove_fd(pump.fd)
            else:
                self._watch(name)

    # --- input and PMI

    @property
    def deaf(self) -> bool:
        """It runs or has run, and takes no input any more."""
        return self.child is not None and (self.stdin is None or self.stdin.closed)

    def write_stdin(self, data: bytes, eof: bool) -> None:
        """Pass input on; ignored when the task has closed its end or reads a file."""
        sink = self.stdin
        if sink is None or sink.closed:
            return
        fd, watched = sink.fd, sink.wants_write
        sink.write(data)
        if eof:
            sink.close()
        if sink.wants_write and not watched:
            self._reactor.add_fd(fd, lambda _events: self._stdin_ready(fd), select.POLLOUT)
        elif watched and not sink.wants_write:
            self._reactor.remove_fd(fd)

    def _stdin_ready(self, fd: int) -> None:
        assert self.stdin is not None
        # Stop watching first: the sink may close the descriptor, and its number may be used again.
        self._reactor.remove_fd(fd)
        self.stdin.on_writable()
        if self.stdin.wants_write:
            self._reactor.add_fd(fd, lambda _events: self._stdin_ready(fd), select.POLLOUT)

    def _pmi_ready(self, _events: int) -> None:
        assert self._pmi is not None
        try:
            data = self._pmi.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # reset by a task that died: it has nothing more to say
            data = b""
        if not data:
            self.close_pmi()
            return
        try:
            lines = self._pmi_lines.feed(data)
        except FormatError as error:
            raise ShellError(f"PMI-1 wire protocol error: {error}") from None
        for text in lines:
            if self.on_pmi is not None:
                self.on_pmi(self, text)

    def pmi_frames(self, frames: Frames) -> None:
        """What comes from now on is cut into messages by their lengths."""
        self._pmi_lines = frames

    def send_pmi(self, text: str) -> None:
        """Answer the task; what it no longer reads is dropped."""
        if self._pmi is None:
            return
        try:
            self._pmi.sendall(text.encode())
        except OSError:
            self.close_pmi()

    def close_pmi(self) -> None:
        if self._pmi is not None:
            self._reactor.remove_fd(self._pmi.fileno())
            self._pmi.close()
            self._pmi = None
            if self.on_pmi_end is not None:
                self.on_pmi_end(self)

    # --- the end

    @property
    def finished(self) -> bool:
        """The process has ended and so have its output streams."""
        return self.child is not None and self.child.status is not None and not self._streaming

    @property
    def _streaming(self) -> bool:
        """Output that counts as the task's may still come."""
        return bool(self._pumps) or (
            self.terminal is not None and self.terminal.capture and not self.terminal.closed
        )

    def kill(self, signum: int) -> bool:
        """Signal the task's process group, or what is left of it after its leader ended."""
        if self.child is None:
            return False
        if self.child.status is None:
            return self.child.kill(signum)
        return self._streaming and self.child.kill_rest(signum)

    def close(self) -> None:
        """Release what is still open."""
        self.close_pmi()
        if self.stdin is not None and not self.stdin.closed:
            self._reactor.remove_fd(self.stdin.fd)
            os.close(self.stdin.fd)
        self.stdin = None


def start_error(task: Task, host: str, error: OSError) -> ShellError:
    """The fatal error for a program that cannot be run: 127 for not found, 126 for not allowed."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    reason += refused.why(error.errno or 0, task.argv, task.env)
    return ShellError(
        f"task {task.rank} (host {host}): start failed: {task.argv[0]}: {reason}", unstarted(error.errno)
    )
