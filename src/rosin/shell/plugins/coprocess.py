# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``coprocess`` option: programs beside the tasks, one on each node, such as monitors of the node.

They are started behind the tasks and get SIGTERM when those of their node are over, SIGKILL some time after
that. What they write goes to a file: each shell's own, or one that the leader writes for all.
"""

from __future__ import annotations

import codecs
import os
import signal
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.process.pump import Pump
from rosin.process.spawn import ChildProcess, output_pipe, spawn
from rosin.rfc.payload import field
from rosin.shell.errors import ShellError
from rosin.shell.options import parse_duration
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.plugins.coprocess_option import CoprocessConf, parse
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.handle.reactor import Timer
    from rosin.rfc.message import Message

METHOD = "coprocess-write"
_KILL_TIMEOUT = 10.0
#: Bytes that a shell sends to the leader before it asks whether they have arrived.
_WINDOW = 1 << 20


class Coprocess(ShellPlugin):
    """The shell stays until its programs have ended; the leader, until the others' output has come."""

    name = "coprocess"

    def __init__(self, shell: Api) -> None:
        """Raises ShellError for a bad option."""
        super().__init__(shell)
        options = shell.info.options
        value = options.get("coprocess-kill-timeout")
        timeout = _KILL_TIMEOUT if value is None else parse_duration(value)
        if timeout is None:
            raise ShellError(f"shell option coprocess-kill-timeout={value}: expected a duration, as in 10s")
        self._timeout: float = timeout
        value = options.get("coprocess")
        self._programs = [] if value is None else [Program(shell, conf) for conf in parse(value)]
        self._timer: Timer | None = None
        if shell.leader:
            self._expect()

    def _expect(self) -> None:
        """Take what other shells send, and wait for all of it."""
        for program in self._programs:
            if not program.own_file:
                ranks = range(1, self.shell.info.size)
                program.expected = {rank for rank in ranks if program.conf.runs_on(rank)}
        if self._expected:
            self.shell.service.methods[METHOD] = self._write
            self.shell.hold(METHOD)

    @property
    def _expected(self) -> bool:
        return any(program.expected for program in self._programs)

    def shell_start(self) -> None:
        for program in self._programs:
            if program.conf.runs_on(self.shell.info.rank):
                program.start()
        self._check()

    def child_exit(self, pid: int, status: int) -> None:
        for program in self._programs:
            if program.child is not None and program.child.pid == pid:
                program.ended(status)
        self._check()

    def _check(self) -> None:
        if any(program.child is not None for program in self._programs):
            self.shell.hold(self.name)
        else:
            if self._timer is not None:
                self._timer.cancel()
            self.shell.release(self.name)

    # --- the end

    def shell_finish(self) -> None:
        self._kill(signal.SIGTERM)
        if any(program.child is not None for program in self._programs):
            self._timer = self.shell.h.reactor.timer(self._timeout, self._expired)

    def shell_kill(self, signum: int) -> None:
        """Signals of the job are for its tasks; after SIGKILL nothing of it is to stay."""
        if signum == signal.SIGKILL:
            self._kill(signum)

    def _expired(self) -> None:
        self.shell.log.warn("helper(s) still running, sending SIGKILL", self.name)
        self._kill(signal.SIGKILL)

    def _kill(self, signum: int) -> None:
        for program in self._programs:
            if program.child is not None:
                program.child.kill(signum)

    def shell_exit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for program in self._programs:
            program.close()

    # --- what other shells send

    def _write(self, msg: Message) -> Any:
        name = field(msg.args, "name", str)
        data = field(msg.args, "data", str, "")
        rank = field(msg.args, "eof_rank", int, -1)
        program = next((each for each in self._programs if each.conf.name == name), None)
        if program is None:
            raise FormatError(f"{METHOD}: there is no coprocess {name}")
        program.write(data.encode())
        self._done(program, rank)
        return LATER  # these requests have no response

    def _done(self, program: Program, rank: int) -> None:
        program.expected.discard(rank)
        if not self._expected:
            self.shell.release(METHOD)

    def shell_lost(self, rank: int) -> None:
        for program in self._programs:
            self._done(program, rank)


class Program:
    """One of the programs, on this node."""

    def __init__(self, shell: Api, conf: CoprocessConf) -> None:
        self._shell = shell
        self.conf = conf
        self.child: ChildProcess | None = None
        #: Shells (other than the leader's) whose output has not ended; the leader waits for them.
        self.expected: set[int] = set()
        #: Whether each shell has a file of its own.
        self.own_file = shell.info.is_per_shell(conf.output)
        self._pump: Pump | None = None
        self._file = -1
        self._failed = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sent = 0

    @property
    def _forwards(self) -> bool:
        return not self._shell.leader and not self.own_file

    def start(self) -> None:
        """Run it. A job does not fail for one that cannot be run, which is told in its log."""
        info = self._shell.info
        argv = [info.render(word) for word in self.conf.command]
        reader, writer = output_pipe()
        source = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.child = spawn(argv, env=self._shell.environment, stdin=source, stdout=writer, stderr=writer)
        except (OSError, ValueError) as error:
            os.close(reader)
            reason = getattr(error, "strerror", None) or error
            self._shell.log.error(f"{self.conf.name}: launch failed: {reason}", "coprocess")
            self._end()
            return
        finally:
            os.close(writer)
            os.close(source)
        self._pump = Pump(reader, line=False)
        self._watch()
        self._shell.log.debug(f"{self.conf.name}: launched", "coprocess")

    def ended(self, status: int) -> None:
        """It has; so do its own children, and what was written until now is read."""
        child, self.child = self.child, None
        assert child is not None
        child.reaped(status)
        child.kill_rest(signal.SIGKILL)
        pump = self._pump
        while pump is not None and not pump.eof and (data := pump.on_readable()):
            self._take(data)
        self._end()

    # --- output

    def _watch(self) -> None:
        if self._pump is not None:
            self._shell.h.reactor.add_fd(self._pump.fd, self._readable)

    def _readable(self, _events: int) -> None:
        assert self._pump is not None
        data = self._pump.on_readable()
        if data:
            self._take(data)
        if self._pump is not None and self._pump.eof:
            self._unwatch()

    def _take(self, data: bytes) -> None:
        if not self._forwards:
            self.write(data)
            return
        text = self._decoder.decode(data)
        if text:
            self._shell.tell(METHOD, {"name": self.conf.name, "data": text})
        self._sent += len(data)
        if self._sent >= _WINDOW and self.child is not None:
            self._wait()

    def _wait(self) -> None:
        """Read no more until the leader answers a request behind what was sent to it."""
        self._sent = 0
        if self._pump is not None:
            self._shell.h.reactor.remove_fd(self._pump.fd)
        self._shell.ask("write-getcredit", {"credits": 0}, self._arrived)

    def _arrived(self, rpc: Future) -> None:
        try:
            rpc.get()
        except OSError as error:
            self._shell.log.error(f"{self.conf.name}: output is lost: {error.strerror}", "coprocess")
            self._failed = True
        self._watch()

    def write(self, data: bytes) -> None:
        """Write to the file, which is opened now unless it is. What fails is said once."""
        if self._failed or not data:
            return
        path = self._shell.info.render(self.conf.output)
        try:
            if self._file < 0:
                flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
                self._file = os.open(path, flags, 0o600)
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            self._failed = True
            self._shell.log.error(f"{self.conf.name}: {path}: {error.strerror}", "coprocess")

    def _unwatch(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            self._shell.h.reactor.remove_fd(pump.fd)
            pump.close()

    def _end(self) -> None:
        self._unwatch()
        if self._forwards:
            self._shell.tell(METHOD, {"name": self.conf.name, "eof_rank": self._shell.info.rank})

    def close(self) -> None:
        """Let go of what is open; it may still run."""
        self._unwatch()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
