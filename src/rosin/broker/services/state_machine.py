# SPDX-License-Identifier: LGPL-3.0-or-later
"""``state-machine``, ``runat`` and ``shutdown``: the broker's life, seen and steered by messages."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker import sdnotify
from rosin.broker.builtin import Builtin
from rosin.broker.module import DEFERRED, request_handler
from rosin.broker.state import STATES
from rosin.broker.waiters import Waiter
from rosin.rfc.payload import field, list_field
from rosin.rfc.syslog import SEVERITIES, LogLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.state import StateMachine
    from rosin.rfc.message import Message


class StateMachineService(Builtin):
    """state-machine.get, .wait, .monitor, .post, .panic; runat.push; shutdown.start."""

    name = "state-machine"
    services = ("runat", "shutdown")
    listed = False

    async def start(self) -> None:
        self._monitors = self.waiters()  # by the number of the state in which they end
        self._waits = self.waiters()
        self._shutdowns = self.waiters()  # by the least severe level of the log that they want
        self.broker.ring.listeners.add(self._log_line)
        #: Set by the program that runs the broker: begin to shut down.
        self.on_shutdown: Callable[[], None] = lambda: None
        #: The same for a broker that has lost what it cannot be without.
        self.on_panic: Callable[[], None] = lambda: None

    @property
    def machine(self) -> StateMachine:
        return self.broker.state

    @request_handler("get", allow_guest=True)
    def get(self, _msg: Message) -> dict[str, Any]:
        return {"state": self.machine.state, "duration": self.monotonic() - self.machine.since}

    @request_handler("wait", allow_guest=True)
    def wait(self, msg: Message) -> Any:
        if self.machine.state == "run":
            return None
        if self.machine.reached("run"):
            raise OSError(errno.EINVAL, "broker is shutting down")
        self._waits.add(Waiter(msg))
        return DEFERRED

    @request_handler("monitor")
    def monitor(self, msg: Message) -> Any:
        """Tell the state; with the streaming flag also those that come, up to ``final`` (default: all)."""
        last = len(STATES) - 1
        final = field(msg.args, "final", int, last) if msg.has_payload else last
        number = self.machine.number
        self.respond(msg, {"state": number})
        if not msg.streaming:
            return DEFERRED
        if number < final:
            self._monitors.add(Waiter(msg, final))
        else:
            self.respond_error(msg, errno.ENODATA)
        return DEFERRED

    @request_handler("post")
    def post(self, msg: Message) -> None:
        event = field(msg.args, "event", str)
        self.broker.log(6, "state-machine", f"posted: {event}")
        if self.machine.post(event, self.monotonic()):
            self.changed()

    @request_handler("sd-notify")
    def sd_notify(self, msg: Message) -> None:
        """Somebody who works for the broker while it starts or ends tells how far that is."""
        status = field(msg.args, "status", str)
        if not status.isprintable():
            raise OSError(errno.EINVAL, "status: expected one line of text")
        sdnotify.extend_stop(self.broker.attrs)
        sdnotify.notify(self.broker.attrs, f"STATUS={status}")

    def changed(self) -> None:
        """Tell monitors and waiters that the state has changed."""
        number = self.machine.number
        self._monitors.respond({"state": number})
        self._monitors.end(where=lambda monitor: monitor.key <= number)
        if self.machine.state == "run":
            self._waits.fulfil()
        elif self.machine.reached("run"):
            self._waits.end(errno.EINVAL, "broker is shutting down")

    @request_handler("runat.push", prefix=False)
    def push(self, msg: Message) -> None:
        commands = list_field(msg.args, "commands", str)
        if not commands:
            raise OSError(errno.EPROTO, "commands array is empty")
        self.broker.runat.push(field(msg.args, "name", str), commands)

    @request_handler("shutdown.start", prefix=False)
    def shutdown(self, msg: Message) -> Any:
        level = field(msg.args, "loglevel", int, 4)
        if self.machine.state not in STATES[:6]:
            raise OSError(errno.EINVAL, f"broker is already in state {self.machine.state}")
        if self.broker.rank:
            raise OSError(errno.EINVAL, "an instance is shut down by rank 0")
        if msg.streaming:
            self._shutdowns.add(Waiter(msg, level))
        self.on_shutdown()
        return DEFERRED if msg.streaming else None

    @request_handler("panic")
    def panic(self, _msg: Message) -> None:
        """End this broker, on rank 0 the instance: a module of it has failed."""
        self.on_panic()

    def _log_line(self, line: bytes) -> None:
        if self._shutdowns:
            entry = LogLine(line)
            origin = f"{entry.appname}.{SEVERITIES[entry.severity]}[{entry.hostname}]"
            for waiter in self._shutdowns:
                if entry.severity <= waiter.key:
                    self.respond(waiter.msg, {"log": f"{origin}: {entry.text}\n"})

    def finish(self) -> None:
        """The broker is about to go: end the streams of those who asked for the shutdown."""
        self._shutdowns.end()
