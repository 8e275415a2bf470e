# SPDX-License-Identifier: LGPL-3.0-or-later
"""The way of a broker through its life, without a process and a loop: boot-*.txt.

Events: ``begin [rank=N] [ATTRIBUTE=VALUE...]``; how a step has ended: ``ok`` (builtins are loaded), the name
of an event (of what the brokers above and below do), ``rc1 CODE``, ``rc3 CODE``, ``program CODE [HOW]``,
``unstarted CODE``, ``clean``, ``unclean``; ``until STATE`` (all ends well until then); ``signal NAME`` and
``shutdown`` (the end is asked for).

Shown are the transitions, what there is to do, lines of the log, and the exit code.
"""

import shlex
import signal

import pytest

from rosin.broker.attrs import Attributes
from rosin.broker.course import INSTEAD, Action, Course
from rosin.broker.state import StateMachine

from .. import transcripts

#: How steps usually end.
USUAL = {
    Action.LOAD_BUILTINS: "ok",
    Action.JOIN: "parent-ready",
    Action.SYNC: "sync-success",
    Action.RC1: "rc1 0",
    Action.QUORUM: "quorum-full",
    Action.PROGRAM: "program 0",
    Action.FOLLOW: "parent-fail",
    Action.CLEANUP: "clean",
    Action.CHILDREN: "children-complete",
    Action.RC3: "rc3 0",
}
SEVERITIES = {3: "error", 6: "info"}


class Driver:
    """A course, and what it is told."""

    def __init__(self):
        self.lines = []

    def act(self, line):
        name, *words = shlex.split(line)
        handler = getattr(self, f"do_{name}", None)
        event = handler(*words) if handler else name
        if event is not None:
            self.post(event)
        lines = self.lines.copy()
        self.lines.clear()
        return lines

    def post(self, event):
        """Go on, until there is something to do."""
        before = self.machine.state
        if not self.machine.post(event, 0.0):
            self.lines.append(f"{event} does not belong to {before}")
            return
        self.lines.append(f"{event}: {before} -> {self.machine.state}")
        self.go_on()

    def go_on(self):
        step = self.step = self.course.step()
        if step is None:
            self.lines.append(f"exit {self.course.exit_code}")
        elif isinstance(step, str):
            self.post(step)
        else:
            self.lines.append(f"in {self.machine.state}: {step.value}")
            if step is Action.GOODBYE:  # nobody keeps it from going
                self.post("goodbye")
            if step is Action.CLEANUP:
                limit = self.course.cleanup_limit()
                if limit:
                    self.lines.append(f"within {limit}")

    def log(self, level, text):
        self.lines.append(f"log {SEVERITIES[level]}: {text}")

    def do_begin(self, *words):
        given = dict(word.split("=") for word in words)
        attrs = Attributes()
        for name, value in {"broker.rc1_path": "rc1", "broker.rc3_path": "rc3", **given}.items():
            attrs.define(name, value)
        self.machine = StateMachine(0.0)
        self.course = Course(int(given.get("rank", "0")), self.log)
        self.course.begin(self.machine, attrs)
        self.go_on()

    def do_until(self, state):
        lines = []
        while self.machine.state not in (state, "unload-builtins"):
            assert isinstance(self.step, Action)
            lines = self.act(USUAL[self.step])
        self.lines = lines[-1:]

    def do_ok(self):
        return "builtins-success"

    def do_rc1(self, code):
        return self.course.rc1_ended(int(code))

    def do_rc3(self, code):
        return self.course.rc3_ended(int(code))

    def do_program(self, code, how="Exited"):
        return self.course.program_ended("sleep", int(code), how, 0.0)

    def do_unstarted(self, code):
        return self.course.program_unstarted(int(code))

    def do_clean(self):
        return self.course.cleaned_up()

    def do_unclean(self):
        return self.course.cleaned_up(limit=self.course.cleanup_limit())

    def do_signal(self, name):
        return self.stop(getattr(signal, f"SIG{name}"))

    def do_shutdown(self):
        return self.stop(None)

    def stop(self, signum):
        if not self.course.stop(signum):
            self.lines.append("asked for before")
        elif self.step is Action.WAIT:
            return self.course.waited()
        else:
            return INSTEAD.get(self.step)
        return None


@pytest.mark.parametrize("name", transcripts.find("boot"))
def test_scenario(name, request):
    transcripts.check(name, Driver().act, request.config)
