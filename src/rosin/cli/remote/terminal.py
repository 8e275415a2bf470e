# SPDX-License-Identifier: LGPL-3.0-or-later
"""This terminal becomes that of a job: raw, of the same size, until the job ends or Control-Backslash."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import contextmanager

from rosin.cli.remote.server import write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.client.blocking import Client
    from rosin.client.terminal import RemoteTerminal

_DETACH_KEY = b"\x1c"
_SHOW_CURSOR = b"\033[?25h"
_CHUNK = 4096
#: States of a job before it runs.
_PENDING = frozenset({"NEW", "DEPEND", "PRIORITY", "SCHED"})


class Detached(Exception):
    """The job goes on without this program."""


def attach(client: Client, jobid: str) -> None:
    """Sit at the terminal of a job, once it runs, until it has gone. Raises Detached and ApiError."""
    if not _waited(client, jobid):
        return
    window = _window()
    with client.terminal(jobid, *window) as terminal, _raw(), _resizes() as resized:
        waited = [0, terminal.fileno(), resized] if sys.stdin is not None else [terminal.fileno(), resized]
        while terminal.ended is None:
            ready = [terminal.fileno()] if terminal.pending() else select.select(waited, [], [])[0]
            if terminal.fileno() in ready:
                write_out(terminal.receive())
            if resized in ready:
                os.read(resized, _CHUNK)
            if window != (window := _window()):  # before what is typed into the new one
                terminal.resize(*window)
            if 0 in ready and not _typed(terminal):
                waited.remove(0)


def _waited(client: Client, jobid: str) -> bool:
    """Wait until the job runs; False if it is over."""
    position = client.jobs(limit=0, counts=False)["position"]
    state: str = client.job(jobid)["state"]
    happenings = client.events(topics="jobs", jobs=jobid, fields="state", since=position)
    while state in _PENDING:
        record = next(happenings)
        if record["event"] == "gone":
            raise OSError(None, str(record["data"]["reason"]))
        if record["event"] == "reset":
            state = client.job(jobid)["state"]
        elif record["event"] == "job":
            state = record["data"]["job"]["state"]
    return state == "RUN"


def _typed(terminal: RemoteTerminal) -> bool:
    """Pass on what is typed; returns False at its end. Raises Detached."""
    try:
        data = os.read(0, _CHUNK)
    except OSError:
        data = b""  # the terminal is gone
    head, key, _ = data.partition(_DETACH_KEY)
    if head:
        terminal.type(head)
    if key:
        raise Detached
    return bool(data)


def _window() -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(0)
    except OSError:
        columns, rows = 80, 25
    return min(columns or 80, 1000), min(rows or 25, 1000)


@contextmanager
def _raw() -> Iterator[None]:
    """Within this, each key is the job's."""
    if sys.stdin is None or not os.isatty(0):
        yield
        return
    import termios
    import tty

    saved = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSANOW)  # and keep what was typed ahead
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
        write_out(_SHOW_CURSOR + b"\r\n")


@contextmanager
def _resizes() -> Iterator[int]:
    """A descriptor that can be read when the window has another size."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def changed(_signum: int, _frame: object) -> None:
        try:
            os.write(writer, b"x")
        except BlockingIOError:
            return  # it is known already

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        yield reader
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(reader)
        os.close(writer)
