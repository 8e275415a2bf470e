# SPDX-License-Identifier: LGPL-3.0-or-later
"""Following processes on several brokers: output, exit codes, signals."""

from __future__ import annotations

import _signal
import errno
import sys
import time

from rosin.cli.exec.remote import Remote
from rosin.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING, SUBPROCESS_REXEC_WRITE_CREDIT
from rosin.process import outcome
from rosin.remote import protocol
from rosin.rfc.idset import Idset

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.cli.exec.stdin import ExecStdin
    from rosin.handle.flux import Flux
    from rosin.handle.future import Future
    from rosin.handle.rpc import RPC
    from rosin.job.labels import Labels
    from rosin.rfc.ioencode import Data

_EX_NOHOST = 68
#: A further interrupt within this time ends the program although processes still run.
_INTERRUPT_SECONDS = 1.0


def exit_code_of_error(exc: OSError) -> int:
    """The exit code of a process that could not be started."""
    return _EX_NOHOST if exc.errno == errno.EHOSTUNREACH else outcome.unstarted(exc.errno)


class Runner:
    """Runs a command on ranks and waits for all of them."""

    def __init__(
        self,
        h: Flux,
        args: argparse.Namespace,
        service: str,
        ranks: Idset,
        command: dict[str, Any],
        jobid: int | None = None,
    ) -> None:
        """``jobid`` is the job whose shells are the service, if they are."""
        self.h = h
        self.args = args
        self.service = service
        self.ranks = ranks
        self.command = command
        self.jobid = jobid
        self.flow = args.stdin_flow != "off" and (args.stdin_flow == "on" or service != "sdexec")
        self.remotes: list[Remote] = []
        self._labels: Labels | None = None
        if args.label_io:
            from rosin.cli.job.output import same_file
            from rosin.job.labels import Labels

            self._labels = Labels(same_file(1, 2))
        self.exit_code = 0
        self._left = len(ranks)
        self._exits: dict[str, list[int]] = {}
        self._input: ExecStdin | None = None
        self._interrupts = 0
        self._interrupted = 0.0
        self._began = time.monotonic()

    @property
    def name(self) -> str:
        """What messages call the process."""
        if not self.args.attach:
            return str(self.args.command[0])
        target = self.args.command[0]
        return f"pid {target}" if target.isdigit() else f"label {target}"

    def run(self) -> int:
        """Run to the end; returns the largest exit code."""
        self._note(f"Starting {self.name} on {self.ranks.encode(brackets=True)}")
        for rank in self.ranks:
            remote = Remote(rank, self._request(rank))
            self.remotes.append(remote)
            remote.rpc.then(self._answered, remote)
        self._note("Sent all requests")
        self._watch_job()
        self._open_input()
        watchers = [
            self.h.signal_watcher_create(num, self._signal) for num in (_signal.SIGINT, _signal.SIGTERM)
        ]
        for watcher in watchers:
            watcher.start()
        try:
            self.h.reactor_run()
        finally:
            for watcher in watchers:
                watcher.stop()
            if self._input is not None:
                self._input.close()
        self._note(f"{self._left_over()} tasks complete with code {self.exit_code}")
        self._report()
        return self.exit_code

    def _left_over(self) -> int:
        return len(self.remotes) - self._left

    def _note(self, text: str) -> None:
        if self.args.verbose:
            sys.stderr.write(f"{(time.monotonic() - self._began) * 1e3:.6f}ms: {text}\n")

    def _request(self, rank: int) -> RPC:
        flags = protocol.OUTPUTS | (SUBPROCESS_REXEC_WRITE_CREDIT if self.flow else 0)
        if self.args.attach:
            request = protocol.attach_request(self.args.command[0], flags)
            return self.h.rpc(f"{self.service}.attach", request, rank, FLUX_RPC_STREAMING)
        request = protocol.exec_request(self.command, flags)
        return self.h.rpc(f"{self.service}.exec", request, rank, FLUX_RPC_STREAMING)

    # -- input ------------------------------------------------------------------------------------

    def _open_input(self) -> None:
        from rosin.cli.exec.stdin import ExecStdin

        if not self.args.noinput:
            self._input = ExecStdin(self.h, self.remotes, self.flow, self.write)

    def write(self, remote: Remote, data: bytes, eof: bool) -> None:
        """Send standard input to a process."""
        request = protocol.write_request(remote.rpc.matchtag, "stdin", data, eof)
        self.h.rpc(f"{self.service}.write", request, remote.rank, FLUX_RPC_NORESPONSE)

    # -- the job ----------------------------------------------------------------------------------

    def _watch_job(self) -> None:
        """A shell that was killed does not answer: the end of the job is its processes' end."""
        if self.jobid is not None:
            request = {"id": self.jobid, "path": "eventlog", "flags": 0}
            rpc = self.h.rpc("job-info.eventlog-watch", request, flags=FLUX_RPC_STREAMING)
            rpc.then(self._job_event)

    def _job_event(self, rpc: Future) -> None:
        from rosin.rfc.eventlog import decode_entry

        try:
            over = decode_entry(rpc.get()["event"])["name"] == "clean"
        except OSError as exc:
            if exc.errno != errno.ENODATA:
                self._note(f"the end of the job will not be seen: {exc.strerror}")
            return
        if not over:
            rpc.reset()
            return
        for remote in self.remotes:
            self._ended(
                remote, OSError(errno.ENODATA if remote.done else errno.ECANCELED, "the job has ended")
            )

    # -- responses --------------------------------------------------------------------------------

    def _answered(self, rpc: Future, remote: Remote) -> None:
        try:
            response = protocol.Response(rpc.get())
        except OSError as exc:
            self._ended(remote, exc)
            return
        if response.pid is not None:
            remote.pid = response.pid
            if self.args.noinput:
                self.write(remote, b"", True)
            elif self._input is not None:
                self._input.update(remote)
        elif response.credit is not None:
            remote.credit += response.credit.get("stdin", 0)
            if self._input is not None:
                self._input.update(remote)
        elif response.io is not None:
            self._output(remote, response.io)
        elif response.status is not None:
            self._finished(remote, response.status)
        rpc.reset()

    def _output(self, remote: Remote, chunk: Data) -> None:
        out = sys.stderr.buffer if chunk.stream == "stderr" else sys.stdout.buffer
        if self._labels is None:
            out.write(chunk.data)
        else:
            # A label belongs to whole lines; what follows the last newline waits for the rest.
            parts = remote.partial.setdefault(chunk.stream, [])
            end = len(chunk.data) if chunk.eof else chunk.data.rfind(b"\n") + 1
            if end or chunk.eof:
                lines = b"".join([*parts, chunk.data[:end]])
                parts.clear()
                if lines:
                    out.write(self._labels.add(out, f"{remote.rank}: ".encode(), chunk.stream, lines))
            parts.append(chunk.data[end:])
        out.flush()

    def _finished(self, remote: Remote, status: int) -> None:
        code = outcome.exit_code(status)
        if code:
            self._exits.setdefault(outcome.describe(status), []).append(remote.rank)
        self.exit_code = max(self.exit_code, code)
        remote.done = True
        if self._input is not None:
            self._input.update(remote)

    def _ended(self, remote: Remote, exc: OSError) -> None:
        """The last response of a rank has come, or none will."""
        if remote.closed:
            return
        remote.closed = True
        if exc.errno != errno.ENODATA:
            sys.stdout.flush()
            sys.stderr.write(
                f"{self.args.prog}: Error: rank {remote.rank}: {self.name}: {exc.strerror or exc}\n"
            )
            self.exit_code = max(self.exit_code, exit_code_of_error(exc))
        remote.done = True
        self._left -= 1
        if not self._left:
            self.h.reactor_stop()
        elif self._input is not None:
            self._input.update(remote)

    def _report(self) -> None:
        if self.args.quiet:
            return
        for text, ranks in self._exits.items():
            sys.stderr.write(f"{Idset(ranks).encode(brackets=True)}: {text}\n")

    # -- signals ----------------------------------------------------------------------------------

    def _signal(self, _h: Flux, _watcher: object, signum: int, _args: object) -> None:
        if signum == _signal.SIGINT:
            if self.args.attach:
                sys.stderr.write(f"detached; {self.name} goes on\n")
                raise SystemExit(0)
            self._interrupt()
        running = [remote for remote in self.remotes if remote.pid > 0 and not remote.done]
        if self.args.verbose:
            sys.stderr.write(f"sending signal {signum} to {len(running)} running processes\n")
        for remote in running:
            self._kill(remote, signum)

    def _interrupt(self) -> None:
        """The third interrupt ends the program if it comes soon enough."""
        now = time.monotonic()
        if self._interrupts >= 2 and now - self._interrupted < _INTERRUPT_SECONDS:
            hanging = Idset(remote.rank for remote in self.remotes if not remote.done)
            sys.stderr.write(f"{hanging.encode(brackets=True)}: command still running at exit\n")
            raise SystemExit(1)
        if self._interrupts:
            sys.stderr.write(
                f"interrupt (Ctrl+C) one more time within {_INTERRUPT_SECONDS:.2f} sec to exit\n"
            )
        self._interrupts += 1
        self._interrupted = now

    def _kill(self, remote: Remote, signum: int) -> None:
        if self.args.with_imp:
            # The process runs as another user; only the IMP may signal it.
            cmdline = [self.args.command[0], "kill", str(signum), str(remote.pid)]
            command = {**self.command, "cmdline": cmdline}
            request = protocol.exec_request(command, 0)
            topic = f"{self.service}.exec"
        else:
            request = protocol.kill_request(remote.pid, signum)
            topic = f"{self.service}.kill"
        # A process that has just ended cannot be signaled, which is as good.
        self.h.rpc(topic, request, remote.rank, FLUX_RPC_NORESPONSE)
