# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: one process and its streams on the event loop.

A process is over when it has exited *and* its output streams have ended. Until then its zombie is kept, so
that its process id, and with it its group's, cannot become someone else's: what it left behind in its group
can still be signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from rosin.process.outcome import waited
from rosin.process.pump import CHUNK, Pump
from rosin.process.spawn import ChildProcess, output_pipe, spawn
from rosin.process.watch import ReadWatch
from rosin.remote.inputs import Inputs
from rosin.remote.protocol import NO_SETPGRP, STDIO_FALLTHROUGH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.process.kept import KeptProcess
    from rosin.process.loop import Loop
    from rosin.process.spawned import Spawned
    from rosin.process.zygote import Zygote
    from rosin.remote.command import Command

#: Bytes read at a time from a stream whose lines are sent one by one.
LINES_CHUNK = 16384
#: Where a program starts whose own directory cannot be entered.
_FALLBACK_DIR = "/tmp"
_STOP_SIGNALS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_STOP_CHECKS = (0.001, 0.01, 0.1, 1.0)  # seconds after a stop signal at which to look whether it worked


class Observer(Protocol):
    """Who is told what happens to a process, in the order of :meth:`started` to :meth:`closed`."""

    def started(self, process: Process) -> None: ...
    def failed(self, process: Process, error: OSError) -> None: ...
    def output(self, process: Process, stream: str, data: bytes) -> None: ...
    def eof(self, process: Process, stream: str) -> None: ...
    def credit(self, process: Process) -> None: ...
    def stopped(self, process: Process) -> None: ...
    def exited(self, process: Process) -> None: ...
    def closed(self, process: Process) -> None: ...


class Process:
    """``pid`` once started, ``status`` (wait status) once exited; ``closed`` at the very end.

    A process that is ``collected`` is waited for by somebody else, who calls :meth:`reaped`."""

    def __init__(self, command: Command, loop: Loop, observer: Observer, *, collected: bool = False) -> None:
        self.command = command
        self.pid = -1
        self.status: int | None = None
        self.closed = False
        self.last_stand = False  # whether what is left in the process group is killed at the end
        self.outputs: dict[str, Pump] = {}
        self._watches: dict[str, ReadWatch] = {}  # of those that are read
        self.inputs = Inputs(loop, lambda: observer.credit(self))
        self._loop = loop
        self._observer = observer
        self._collected = collected
        self._child: ChildProcess | None = None
        self._spawned: Spawned | None = None
        self._guard: Zygote | None = None
        self._early_signals: list[int] = []
        self._theirs: list[int] = []  # the child's ends, to be closed here after the start
        self._ended: set[str] = set()
        #: Its output is not read.
        self.paused = False

    # -- starting ---------------------------------------------------------------------------------

    def start(
        self,
        env: dict[str, str],
        *,
        outputs: tuple[str, ...],
        with_input: bool = True,
        local_flags: int = 0,
        zygote: Zygote | None = None,
        target: str = "",
        adopted: bool = False,
        keep: Any = None,
    ) -> None:
        """Start the process. ``outputs`` are the standard streams to read (others go to /dev/null).

        The zygote starts it when it has a ``target``, or is ``adopted``: then all that descends from it ends
        with this broker. Otherwise the zygote guards it: what has left its group is not found when it ends
        first.
        ``keep`` says what it is to those who go on with it when this broker was killed.
        Raises OSError (ENOENT, EACCES, ...) if that fails at once; a zygote may also report it later.
        """
        group = not local_flags & NO_SETPGRP
        try:
            fds = {} if local_flags & STDIO_FALLTHROUGH else self._stdio(outputs, with_input)
            passed = [self._channel(name, env) for name in self.command.channels]
            adopted = adopted and not local_flags & STDIO_FALLTHROUGH and self.command.runs(env)
            if (target or adopted) and zygote is not None and zygote.alive and not passed:
                argv = _target_argv(self.command.cmdline) if target else self.command.cmdline
                self._spawned = zygote.spawn(
                    target or None,
                    argv,
                    env,
                    cwd=self.command.cwd,
                    fds=fds,
                    group=group,
                    name=argv[0],
                    reuse=bool(target),
                    keep=keep,
                    held={name: pump.fd for name, pump in self.outputs.items()},
                    on_start=self._zygote_started,
                    on_exit=self._zygote_exited,
                )
            else:
                self._spawn(env, fds, passed, group)
        except BaseException:
            self._release()
            raise
        finally:
            for fd in self._theirs:
                os.close(fd)
            self._theirs.clear()
        if self._child is not None:
            self.pid = self._child.pid
            if zygote is not None:
                self._guard = zygote
                zygote.guard(self.pid)
            self._started()

    def adopt(self, kept: KeptProcess) -> None:
        """Go on with a process that another broker has started."""
        self._spawned = kept.spawned
        assert kept.spawned.pid is not None
        self.pid = kept.spawned.pid
        for stream, fd in kept.outputs.items():
            self._output(stream, fd)
        self._started()
        if kept.spawned.status is not None:
            self._exited(kept.spawned.status)
        else:
            kept.spawned.on_exit = self._zygote_exited

    @property
    def outlives(self) -> bool:
        """Whether it goes on when this broker ends."""
        return self._spawned is not None and self._spawned.kept

    def leave(self) -> None:
        """Let go of a process that goes on."""
        if self._spawned is not None:
            self._spawned.on_exit = None
        self._release()

    def _spawn(self, env: Mapping[str, str], fds: dict[int, int], passed: list[int], group: bool) -> None:
        cwd = self.command.cwd
        try:
            self._child = self._spawn_in(cwd, env, fds, passed, group)
        except OSError as err:
            if cwd is None or err.filename != cwd:
                raise
            # As flux-core does: the program runs elsewhere, and its standard error says so first.
            text = f"Could not change dir to {cwd}: {err.strerror}. Going to {_FALLBACK_DIR} instead\n"
            os.write(fds.get(2, 2), text.encode())
            self._child = self._spawn_in(_FALLBACK_DIR, env, fds, passed, group)

    def _spawn_in(
        self, cwd: str | None, env: Mapping[str, str], fds: dict[int, int], passed: list[int], group: bool
    ) -> ChildProcess:
        return spawn(
            self.command.cmdline,
            env=env,
            cwd=cwd,
            stdin=fds.get(0),
            stdout=fds.get(1),
            stderr=fds.get(2),
            pass_fds=passed,
            process_group=group,
        )

    def _stdio(self, outputs: tuple[str, ...], with_input: bool) -> dict[int, int]:
        fds = {}
        if with_input:
            reader, writer = os.pipe()
            self._theirs.append(reader)
            fds[0] = reader
            self.inputs.add("stdin", writer, self.command.bufsize("stdin"))
        else:
            fds[0] = self._devnull()
        for number, stream in ((1, "stdout"), (2, "stderr")):
            if stream in outputs:
                reader, writer = output_pipe()
                self._theirs.append(writer)
                fds[number] = writer
                self._output(stream, reader)
            else:
                fds[number] = self._devnull()
        return fds

    def _devnull(self) -> int:
        fd = os.open(os.devnull, os.O_RDWR)
        self._theirs.append(fd)
        return fd

    def _output(self, stream: str, fd: int) -> None:
        # Each line may become a message: read less at a time, so that others get their turn.
        chunk = LINES_CHUNK if self.command.line_by_line(stream) else CHUNK
        self.outputs[stream] = Pump(fd, line=self.command.line_buffered(stream), chunk=chunk)

    def _channel(self, name: str, env: dict[str, str]) -> int:
        """An auxiliary channel: a socket pair whose far end's number is in the environment."""
        ours, theirs = socket.socketpair()
        fd = ours.detach()
        self._output(name, fd)
        self.inputs.add(name, os.dup(fd), self.command.bufsize(name), partial(self._end_channel, name))
        far = theirs.detach()
        self._theirs.append(far)
        env[name] = str(far)
        return far

    def _started(self) -> None:
        self._observer.started(self)
        self._watch_outputs()
        if self._child is not None and not self._collected:
            if self._child.pidfd is not None:
                self._loop.add_reader(self._child.pidfd, self._on_exit)
            else:
                self._loop.call_later(0.01, self._on_exit)
        for signum in self._early_signals:
            self.signal(signum)
        self._early_signals.clear()

    # -- signals and exit -------------------------------------------------------------------------

    def signal(self, signum: int) -> bool:
        """Signal the process group (the process alone with NO_SETPGRP). False when nothing is left of it.

        A process that a zygote is still starting gets its signals when it has started.
        """
        if self.closed:
            return False
        if self._child is not None:
            if signum in _STOP_SIGNALS and self.status is None:
                self._check_stopped(0)
            return self._kill_child(self._child, signum)
        if self._spawned is not None and self.pid < 0:
            self._early_signals.append(signum)
            return True
        return self._spawned is not None and self._spawned.kill(signum)

    def _kill_child(self, child: ChildProcess, signum: int) -> bool:
        return child.kill_rest(signum) if self._collected and self.status is not None else child.kill(signum)

    def _check_stopped(self, attempt: int) -> None:
        if attempt < len(_STOP_CHECKS) and self.status is None and self._child is not None:
            self._loop.call_later(_STOP_CHECKS[attempt], self._look_stopped, attempt)

    def _look_stopped(self, attempt: int) -> None:
        if self.status is None and not self.closed:
            if os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG) is None:
                self._check_stopped(attempt + 1)
            else:
                self._observer.stopped(self)

    def _on_exit(self) -> None:
        assert self._child is not None
        if self.status is not None:
            return
        result = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if result is None:
            if self._child.pidfd is None:
                self._loop.call_later(0.01, self._on_exit)
            return
        if self._child.pidfd is not None:
            self._loop.remove_reader(self._child.pidfd)
        self._exited(waited(result.si_code, result.si_status))

    def reaped(self, status: int) -> None:
        """Somebody else has collected the process."""
        assert self._child is not None
        self._child.reaped(status)
        self._exited(status)

    def _zygote_started(self, spawned: Spawned) -> None:
        assert spawned.pid is not None
        self.pid = spawned.pid
        self._started()

    def _zygote_exited(self, spawned: Spawned) -> None:
        if spawned.status is not None:
            self._exited(spawned.status)
            return
        error = spawned.error or OSError("the zygote lost the process")
        self._release()
        self._observer.failed(self, error)

    def _exited(self, status: int) -> None:
        self.status = status
        self.inputs.close_all()
        self._observer.exited(self)
        self._check_closed()

    def _check_closed(self) -> None:
        if self.status is None or self.closed or len(self._ended) < len(self.outputs):
            return
        self._release()
        self._observer.closed(self)

    def _release(self) -> None:
        """Let go of every descriptor and of the zombie."""
        self.closed = True
        self._unwatch_outputs()
        for pump in self.outputs.values():
            pump.close()
        self.inputs.release()
        if self._child is not None:
            if self.last_stand:
                self._kill_child(self._child, signal.SIGKILL)
            if self._guard is not None:
                self._guard.unguard(self.pid)
            self._child.poll()

    def abort(self) -> None:
        """Kill what is there and forget it: for the failure paths."""
        with contextlib.suppress(OSError):
            self.signal(signal.SIGKILL)

    # -- output -----------------------------------------------------------------------------------

    def _watch_outputs(self) -> None:
        for stream, pump in self.outputs.items():
            if pump.fd >= 0 and stream not in self._ended:
                watch = self._watches[stream] = ReadWatch(self._loop, pump.fd, self._on_output, stream)
                watch.start()

    def _unwatch_outputs(self) -> None:
        while self._watches:
            self._watches.popitem()[1].stop()

    def _on_output(self, stream: str) -> None:
        pump = self.outputs[stream]
        data = pump.on_readable()
        if data:
            self._observer.output(self, stream, data)
        if pump.eof and not self.closed:
            if stream in self._watches:  # unless this was too much for its reader
                self._watches.pop(stream).stop()
            pump.close()
            self._ended.add(stream)
            self._observer.eof(self, stream)
            self._check_closed()

    def ended(self, stream: str) -> bool:
        """Whether the process has closed this output stream."""
        return stream in self._ended

    def pause(self) -> None:
        """Stop reading output: the process blocks when its pipes are full."""
        if not self.paused:
            self.paused = True
            self._unwatch_outputs()

    def resume(self) -> None:
        """Undo :meth:`pause`."""
        if self.paused:
            self.paused = False
            if not self.closed:
                self._watch_outputs()

    # -- input ------------------------------------------------------------------------------------

    def write(self, stream: str, data: bytes) -> None:
        """Queue input, which a process that has exited gets no more; see :meth:`Inputs.write`."""
        if self.status is None:
            self.inputs.write(stream, data)

    def _end_channel(self, stream: str) -> None:
        """A channel is one socket for both directions; only its writing side ends here."""
        fd = self.outputs[stream].fd
        if fd >= 0:
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as sock:
                sock.shutdown(socket.SHUT_WR)


def _target_argv(cmdline: list[str]) -> list[str]:
    """The arguments for a function in the zygote: ``[PYTHON, "-m", "pkg", ...]`` becomes ``["pkg", ...]``."""
    return cmdline[2:] if cmdline[1:2] == ["-m"] else cmdline
