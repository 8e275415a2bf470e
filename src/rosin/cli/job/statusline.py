# SPDX-License-Identifier: LGPL-3.0-or-later
"""The line that says on a terminal what a pending job waits for."""

from __future__ import annotations

import os
import sys
import time

from rosin.cli import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Protocol

    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

    class Owner(Protocol):
        """Who follows the job: ``label`` is its id as messages show it."""

        handle: Flux
        jobid: int
        label: str
        args: Namespace
        prog: str


_MESSAGES = {
    "submit": "submitted",
    "validate": "resolving dependencies",
    "depend": "waiting for priority assignment",
    "priority": "waiting for resources",
    "alloc": "starting",
    "start": "started",
}


class StatusLine:
    """Shown when a job has not started after a while; it ends with the job's start."""

    def __init__(self, owner: Owner, at_once: bool) -> None:
        self._owner = owner
        self._shown = at_once
        self._message = ""
        self._prologs = 0
        self._zero = 0.0
        self._queue: str | None = None
        self._queue_asked = 0.0
        self._queue_stopped = False
        self._over = False
        reactor = owner.handle.reactor
        self._timer: Any = reactor.timer(0.0 if at_once else 2.0, self._tick, 1.0)

    @classmethod
    def create(cls, owner: Owner) -> StatusLine | None:
        """The line, if the user seems to look: all three streams are terminals, or ``--show-status``."""
        if "FLUX_ATTACH_NONINTERACTIVE" in os.environ:
            return None
        if owner.args.show_status:
            return cls(owner, True)
        terminal = not owner.args.show_events and all(os.isatty(fd) for fd in (0, 1, 2))
        return cls(owner, False) if terminal else None

    def event(self, event: dict[str, Any], fatal: bool) -> None:
        """Take an event of the job's log."""
        name = event["name"]
        self._zero = self._zero or event["timestamp"]
        if name == "prolog-start":
            self._prologs += 1
            self._message = "waiting for prolog"
        elif name == "prolog-finish":
            self._prologs -= 1
            self._message = "waiting for prolog" if self._prologs > 0 else "starting"
        elif name == "jobspec-update":
            self._queue = None
        else:
            self._message = _MESSAGES.get(name, self._message)
        self._over = fatal
        self._draw()
        if name in ("start", "clean"):
            self.stop()

    def stop(self) -> None:
        """Leave the line as it is."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        if self._shown:
            sys.stderr.write("\n")
            sys.stderr.flush()
        self._shown = False

    def clear(self) -> None:
        """Make room for a message."""
        if self._shown:
            sys.stderr.write(terminal.erased(terminal.columns(2)))
            sys.stderr.flush()

    def _tick(self) -> None:
        self._shown = True
        if self._message.startswith("waiting for resources"):
            self._ask_queue()
        self._draw()

    def _draw(self) -> None:
        if not self._shown or self._over or not self._message or self._timer is None:
            return
        text = self._message
        if self._queue_stopped and text.startswith("waiting for resources"):
            text += f" ({self._queue} queue stopped)"
        seconds = max(0, int(time.time() - self._zero))
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        width = terminal.columns(2)
        line = status_text(self._owner.prog, self._owner.label, text, clock, width)
        sys.stderr.write(f"{terminal.redrawn(line, width)}\r")
        sys.stderr.flush()

    def _ask_queue(self) -> None:
        """Find out, now and then, whether the job's queue is stopped."""
        if time.monotonic() - self._queue_asked < self._owner.args.queue_check_interval:
            return
        self._queue_asked = time.monotonic()
        handle = self._owner.handle
        if self._queue is None:
            request = {"id": self._owner.jobid, "attrs": ["queue"]}
            handle.rpc("job-list.list-id", request).then(self._queue_named)
        else:
            self._queue_state()

    def _queue_named(self, rpc: RPC) -> None:
        try:
            self._queue = rpc.get()["job"].get("queue", "default")
        except OSError:
            return
        self._queue_state()

    def _queue_state(self) -> None:
        request = {} if self._queue == "default" else {"name": self._queue}
        self._owner.handle.rpc("job-manager.queue-status", request, 0).then(self._queue_answered)

    def _queue_answered(self, rpc: RPC) -> None:
        try:
            self._queue_stopped = not rpc.get()["start"]
        except OSError:
            self._queue_stopped = False
        self._draw()


def status_text(prog: str, label: str, text: str, clock: str, width: int) -> str:
    """The line for a terminal of ``width`` columns: where that is too narrow, first the command's name goes,
    then the end of the text."""
    for head in (f"{prog}: {label} ", f"{label} "):
        room = width - 2 - len(head) - len(clock)
        if room >= len(text):
            return f"{head}{text:<{room}} {clock}"
    return f"{label} {text}"[: max(0, width - 2 - len(clock))] + f" {clock}"
