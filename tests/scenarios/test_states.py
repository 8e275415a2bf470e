# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: each event in each state, generated from the transition table: states-*.txt.

``SCHED urgency {...}`` is a job that has come to a state by the events of an ordinary life, and one event
that is posted to it. Below it is what the job manager makes of that, down to the commit; nothing if the job
is over. What the files say of moves is compared with the table, so that no event and no move is left out.
"""

import re

import pytest

from rosin import _json
from rosin.constants import FLUX_JOB_STATE_INACTIVE
from rosin.modules.job_manager import restart
from rosin.rfc import eventlog
from rosin.rfc.states import TRANSITIONS, next_state, state_name
from rosin.rfc.states.table import EVENT_ROWS, STATE_ROWS

from .. import transcripts
from ..modules.job_manager.bench import OWNER, R, make_jobspec
from .test_manager import Driver

STATES = {name.lower(): bit for bit, name, _, picture, _ in STATE_ROWS if picture}
#: What a job lives through that succeeds.
LIFE = ("submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean")
#: Values of the keys that contexts must have.
VALUES = {
    "userid": OWNER,
    "urgency": 16,
    "flags": 0,
    "version": 1,
    "priority": 16,
    "expiration": 1_800_000_000.0,
    "description": "something",
    "status": 0,
    "ranks": "all",
    "final": True,
    "type": "cancel",
    "severity": 0,
}
FLAGS = {"set-flags": {"flags": ["debug"]}, "jobspec-update": {"attributes.system.duration": 60.0}}
HEADING = "# A job in {}: each event, and what comes of it.\n"


def context(name):
    """The context of an event with which it may come."""
    required = next(row[1] for row in EVENT_ROWS if row[0] == name)
    optional = {"version": 1} if name == "submit" else {}
    return FLAGS.get(name) or {key: VALUES[key] for key in required} | optional


def path(state):
    """The events of an ordinary life that lead to a state."""
    events, now = [], STATES["new"]
    for name in LIFE:
        if now == state and events:
            return events
        events.append(name)
        now = next_state(now, name)
    return events


def cases(state):
    """The commands of a state's transcript."""
    for name, *_ in EVENT_ROWS:
        yield f"{state.upper()} {name} {_json.dumps(context(name)).decode()}"
        if name == "exception":
            yield f"{state.upper()} {name} {_json.dumps(context(name) | {'severity': 1}).decode()}"


class OneEvent(Driver):
    """A manager with one job, which has come to a state."""

    def act(self, line):
        state, name, text = line.split(" ", 2)
        self.begin()
        self.stored = {}
        at = self.port.time - 100
        events = [
            eventlog.encode(name, context(name) or None, at + n).rstrip("\n").encode()
            for n, name in enumerate(path(STATES[state.lower()]))
        ]
        log = b"".join(line + b"\n" for line in events)
        job = restart.replay(1, log, make_jobspec(), R if b'"alloc"' in log else None)
        assert job.state == STATES[state.lower()]
        restart.load(self.manager, job)
        self.journal.states[1] = job.state
        self.online()
        self.commit()
        self.lines.clear()
        job = self.manager.active.get(1, job)
        job.R = job.R or R  # the scheduler has it with the answer after which alloc is posted
        before = len(job.lines)
        try:
            self.manager.post(job, name, _json.loads(text) or None)
        except ValueError as error:
            self.lines.append(f"error: {error}")
        self.commit()
        lines = [
            *self.lines,
            *(f"log {level}: {text}" for level, text in self.port.log.lines if level != "debug"),
        ]
        assert len(job.lines) > before or not any(line.startswith("1 ") for line in lines)
        self.lines.clear()
        self.port.log.lines.clear()
        return lines


@pytest.mark.parametrize("state", STATES)
def test_each_event(state, request):
    """The file has the commands that the table makes, and what comes of them."""
    file = transcripts.SCENARIOS / f"states-{state}.txt"
    commands = HEADING.format(state.upper()) + "".join(f"> {case}\n" for case in cases(state))
    played = transcripts.play(commands, OneEvent().act)
    if request.config.getoption("--rewrite-scenarios"):
        file.write_text(played, encoding="utf-8")
    assert played == file.read_text(encoding="utf-8")


def shown(text):
    """The moves that a transcript shows at once: (state, event, severity) -> state after it."""
    moves, case = {}, None
    for line in text.splitlines():
        if line.startswith("> "):
            state, name, given = line.removeprefix("> ").split(" ", 2)
            case = (state, name, _json.loads(given).get("severity", 0))
            moves[case] = state
        elif case and (move := re.match(rf"1 {re.escape(case[1])}(?: \{{.*\}})?(?: -> (\w+))?$", line)):
            moves[case] = move[1] or case[0]
            case = None
    return moves


def test_the_transcripts_show_the_whole_table():
    """Every event in every state, with every move of RFC 21 and no other."""
    files = {state: (transcripts.SCENARIOS / f"states-{state}.txt").read_text() for state in STATES}
    moves = {case: after for text in files.values() for case, after in shown(text).items()}
    expected = {
        (state_name(state), name, severity): state_name(next_state(state, name, severity))
        for state in STATES.values()
        for name, *_ in EVENT_ROWS
        for severity in ((0, 1) if name == "exception" else (0,))
    }
    assert moves == expected
    table = {(state_name(state), name) for state, row in TRANSITIONS.items() for name in row}
    assert {case[:2] for case, after in moves.items() if after != case[0]} == table


def test_lives_show_every_event_and_every_state():
    """The scenarios of whole lives have every event that the manager logs, and each state is entered."""
    lives = "".join(
        (transcripts.SCENARIOS / f"{name}.txt").read_text() for name in transcripts.find("manager")
    )
    logged = set(re.findall(r"^\d+ ([a-z.-]+)", lives, re.MULTILINE))
    assert {name for name, *_ in EVENT_ROWS} - logged == {"invalidate"}, "which leaves no trace"
    assert set(re.findall(r" -> ([A-Z]+)$", lives, re.MULTILINE)) == {state.upper() for state in STATES}


def test_a_finished_log_stays():
    text = (transcripts.SCENARIOS / "states-inactive.txt").read_text()
    assert [line for line in text.splitlines() if not line.startswith(("#", "> "))] == []
    assert path(FLUX_JOB_STATE_INACTIVE) == list(LIFE)
