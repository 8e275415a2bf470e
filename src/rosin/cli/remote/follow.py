# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job is followed from here: its output, its input, signals, and its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from rosin.cli.remote.server import connected, status_of, write_out
from rosin.cli.remote.terminal import Detached, attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from rosin.client.blocking import Client

_CHUNK = 1 << 15
#: Seconds in which a second key counts.
_WINDOW = 2.0
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)


class FollowSignals:
    """Ctrl-C twice cancels, Ctrl-C and Ctrl-Z detach, other signals are passed on; a context manager."""

    def __init__(self, args: Namespace, jobid: str) -> None:
        self._args, self._jobid = args, jobid
        self._interrupted = -_WINDOW
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for signum in _PASSED_ON:
            self._before[signum] = signal.signal(signum, self._pass_on)
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        if signal.getsignal(signal.SIGTSTP) != signal.SIG_IGN:
            self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)

    def __exit__(self, *_exc: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _recent(self) -> bool:
        return time.monotonic() - self._interrupted <= _WINDOW

    def _ask(self, action: str, **arguments: Any) -> None:
        try:
            with connected(self._args) as client:  # the other one may be in the middle of a request
                getattr(client, action)(self._jobid, **arguments)
        except OSError as exc:
            _say(f"{action}: {exc.strerror or exc}")

    def _pass_on(self, signum: int, _frame: object) -> None:
        self._ask("signal", signal=signum)

    def _interrupt(self, _signum: int, _frame: object) -> None:
        if self._recent():
            self._ask("cancel", reason="interrupted by ctrl-C")
            return
        self._interrupted = time.monotonic()
        _say("one more ctrl-C within 2s to cancel or ctrl-Z to detach")

    def _suspend(self, _signum: int, _frame: object) -> None:
        if self._recent():
            raise Detached
        os.kill(os.getpid(), signal.SIGSTOP)


def _say(text: str) -> None:
    sys.stderr.write(f"rosin-remote: {text}\n")
    sys.stderr.flush()


def follow(args: Namespace, client: Client, jobid: str, with_input: bool) -> int:
    """Show a job's output, or its terminal, until it is over; returns its exit code, 0 when detached."""
    try:
        if _has_terminal(client.job(jobid)):
            attach(client, jobid)
        else:
            with FollowSignals(args, jobid):
                _show(args, client, jobid, with_input)
    except Detached:
        _say(f"detached; to come back: rosin remote attach {jobid}")
        return 0
    job = client.wait(jobid)
    exception = job.get("exception")
    if exception and exception.get("severity") == 0:
        note = f": {exception['note']}" if exception.get("note") else ""
        _say(f"{jobid}: {exception['type']}{note}")
    return status_of(job)


def _has_terminal(job: Any) -> bool:
    """Whether somebody is meant to sit at the job's terminal."""
    found: Any = job.get("jobspec")
    for name in ("attributes", "system", "shell", "options", "pty", "interactive"):
        found = found.get(name) if isinstance(found, dict) else None
    return bool(found) and job["state"] != "INACTIVE"


def _show(args: Namespace, client: Client, jobid: str, with_input: bool) -> None:
    if with_input:
        threading.Thread(target=_feed, args=(args, jobid), daemon=True).start()
    for record in client.events(topics="jobs", jobs=jobid, output=jobid, fields="state"):
        data = record.get("data", {})
        if record["event"] == "output" and data["stream"] in ("stdout", "stderr"):
            write_out(data["data"].encode("utf-8", "surrogateescape"), data["stream"])
        elif record["event"] == "output":
            sys.stderr.write(data["data"])
        elif record["event"] == "gap":
            _say(f"{data['missed']} pieces of output were missed")
        elif record["event"] == "end":
            if data["error"]:
                raise OSError(None, str(data["error"]))
            return
        elif record["event"] == "gone":
            raise OSError(None, str(data["reason"]))


def _feed(args: Namespace, jobid: str) -> None:
    """Give a job what is read here, once its shells have begun to read."""
    from rosin.client.errors import ApiError

    with connected(args) as client:
        while True:
            data = os.read(0, _CHUNK)
            while True:
                try:
                    client.input(jobid, data.decode("utf-8", "surrogateescape"), end=not data)
                    break
                except ApiError as exc:
                    if exc.retry_after is None:
                        return  # it reads nothing, or is over
                    time.sleep(exc.retry_after)
            if not data:
                return
