# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: states, events, results."""

import pytest

from rosin.errors import FormatError
from rosin.rfc import states

NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE = (1 << n for n in range(7))

MOVES = {
    (NEW, "validate"): DEPEND,
    (DEPEND, "depend"): PRIORITY,
    (PRIORITY, "priority"): SCHED,
    (SCHED, "alloc"): RUN,
    (RUN, "finish"): CLEANUP,
    (CLEANUP, "clean"): INACTIVE,
    (SCHED, "flux-restart"): PRIORITY,
    (SCHED, "urgency"): PRIORITY,
    (SCHED, "jobspec-update"): PRIORITY,
    (DEPEND, "exception"): CLEANUP,
    (PRIORITY, "exception"): CLEANUP,
    (SCHED, "exception"): CLEANUP,
    (RUN, "exception"): CLEANUP,
}


@pytest.mark.rfc(
    21, "transitions", "exception-severity", "other-events", "one-start-one-end", "driven-by-events"
)
@pytest.mark.parametrize("state", [NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE])
@pytest.mark.parametrize("event", [*states.EVENTS, "debug.alloc-request", "unheard-of"])
def test_every_state_and_event(state, event):
    assert states.next_state(state, event) == MOVES.get((state, event), state)
    if event == "exception":
        assert states.next_state(state, event, severity=1) == state


def test_a_whole_life():
    state = NEW
    for event in (
        "submit",
        "validate",
        "depend",
        "priority",
        "alloc",
        "start",
        "finish",
        "release",
        "free",
        "clean",
    ):
        state = states.next_state(state, event)
    assert state == INACTIVE


@pytest.mark.rfc(21, "virtual-states")
def test_virtual_states():
    assert {name: bit for bit, (name, _) in states.STATES.items() if bit & (bit - 1)} == {
        "PENDING": DEPEND | PRIORITY | SCHED,
        "RUNNING": RUN | CLEANUP,
        "ACTIVE": DEPEND | PRIORITY | SCHED | RUN | CLEANUP,
    }


# The examples of the text: name, context.
EXAMPLES = [
    ("submit", {"urgency": 16, "userid": 5588, "flags": 0, "version": 1}),
    ("jobspec-update", {"attributes.system.duration": 3600}),
    ("resource-update", {"expiration": 1692206240}),
    ("validate", None),
    ("invalidate", None),
    ("set-flags", {"flags": ["debug"]}),
    ("dependency-add", {"description": "begin-time=1552594348"}),
    ("dependency-remove", {"description": "begin-time=1552594348"}),
    ("depend", None),
    ("priority", {"priority": 42}),
    ("flux-restart", None),
    ("urgency", {"urgency": 0, "userid": 5588}),
    ("alloc", {"annotations": {"sched.resource_summary": "rank0/core[0-1]"}}),
    ("prolog-start", {"description": "/usr/sbin/job-prolog.sh"}),
    ("prolog-finish", {"description": "/usr/sbin/job-prolog.sh", "status": 0}),
    ("epilog-start", {"description": "/usr/sbin/job-epilog.sh"}),
    ("epilog-finish", {"description": "/usr/sbin/job-epilog.sh", "status": 0}),
    ("free", None),
    ("start", None),
    ("release", {"ranks": "all", "final": True}),
    ("finish", {"status": 0}),
    ("clean", None),
    ("exception", {"type": "oom", "severity": 0, "userid": 5588, "note": "out of memory on foo42"}),
    ("exception", {"type": "exec", "severity": 0, "note": "task rank 1 failed", "wait_status": 11}),
    ("memo", {"key": "value"}),
    ("debug.free-request", None),
]


@pytest.mark.rfc_vectors(21)
@pytest.mark.rfc(21, "contexts", "other-keys")
@pytest.mark.parametrize(("name", "context"), EXAMPLES)
def test_examples_of_the_text(name, context):
    states.check_context(name, context)
    states.check_context(name, {**(context or {}), "another": [1]})
    required, _ = states.EVENTS.get(name, ({}, {}))
    for key in required:
        with pytest.raises(FormatError, match=f"event {name}: missing field '{key}'"):
            states.check_context(name, {k: v for k, v in context.items() if k != key})
        with pytest.raises(FormatError, match=f"event {name}: field '{key}': expected "):
            states.check_context(name, {**context, key: {"no": 1}})


@pytest.mark.rfc(21, "contexts")
@pytest.mark.parametrize(
    ("name", "context", "key", "high"),
    [
        ("submit", {"userid": 1, "flags": 0}, "urgency", 31),
        ("urgency", {"userid": 1}, "urgency", 31),
        ("priority", {}, "priority", 4294967295),
        ("exception", {"type": "x"}, "severity", 7),
    ],
)
def test_integers_that_the_text_limits(name, context, key, high):
    for value in (0, high):
        states.check_context(name, {**context, key: value})
    for value in (-1, high + 1):
        with pytest.raises(FormatError, match=f"event {name}: field '{key}': expected 0 to {high}"):
            states.check_context(name, {**context, key: value})


def log(*names):
    """Entries of events, each with the context of its example."""
    contexts = dict(reversed(EXAMPLES))
    return [{"timestamp": 1.0, "name": name, "context": contexts.get(name) or {}} for name in names]


LIFE = ("submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean")


@pytest.mark.rfc(21, "replay", "submit-first", "transitions")
def test_replay():
    reached = [states.replay(log(*LIFE[:n])) for n in range(len(LIFE) + 1)]
    moved = [NEW, NEW, DEPEND, PRIORITY, SCHED, RUN, RUN, CLEANUP, CLEANUP, CLEANUP, INACTIVE]
    assert reached == moved
    assert states.replay(log("submit", "validate", "exception", "clean")) == INACTIVE
    minor = log("submit", "validate", "exception", "depend")
    minor[2]["context"]["severity"] = 1
    assert states.replay(minor) == PRIORITY
    assert states.replay(log(*LIFE[:4], "urgency")) == PRIORITY


@pytest.mark.rfc(21, "submit-first")
@pytest.mark.parametrize(
    ("entries", "error"),
    [
        (log("validate"), "event 1: expected submit as the first event"),
        (log("submit", "validate", "submit"), "event 3: expected submit as the first event and no other"),
        ([{"timestamp": 1.0, "name": "submit"}], "event 1: event submit: missing field 'userid'"),
        (
            [
                *log("submit"),
                {"timestamp": 1.0, "name": "exception", "context": {"type": "x", "severity": "0"}},
            ],
            "event 2: event exception: field 'severity': expected an integer, got '0'",
        ),
    ],
)
def test_logs_that_cannot_be_replayed(entries, error):
    with pytest.raises(FormatError, match=f"job-eventlog: {error}"):
        states.replay(entries)


def test_a_long_log():
    assert states.replay(log("submit", "validate", *["memo"] * 100_000)) == DEPEND


def test_names():
    letters = [states.state_name(bit, "S") for bit in states.STATES]
    assert letters == ["N", "D", "P", "S", "R", "C", "I", "PD", "RU", "A"]
    assert [states.state_name(RUN, style) for style in "LlSs"] == ["RUN", "run", "R", "r"]
    assert [states.result_name(4, style) for style in "LlSs"] == ["CANCELED", "canceled", "CA", "ca"]
    assert [states.result_name(bit, "s") for bit in states.RESULTS] == ["cd", "f", "ca", "to"]
    assert states.state_name(1024) == "(unknown)"
    assert states.result_name(0, "S") == "?"


def test_names_parse_back():
    for style in "LlSs":
        assert all(states.parse_state(states.state_name(bit, style)) == bit for bit in states.STATES)
        assert all(states.parse_result(states.result_name(bit, style)) == bit for bit in states.RESULTS)


@pytest.mark.parametrize("text", ["", "Run", "x", "runn", "CD"])
def test_unknown_state_names(text):
    with pytest.raises(FormatError, match="known: new, depend"):
        states.parse_state(text)


def test_unknown_result_and_style():
    with pytest.raises(FormatError, match="known: completed, failed"):
        states.parse_result("run")
    with pytest.raises(FormatError, match="unknown style"):
        states.state_name(RUN, "X")


def test_status():
    assert states.status_name(SCHED) == "SCHED"
    assert states.status_name(CLEANUP, 0, "S") == "C"
    assert states.status_name(INACTIVE, 1) == "COMPLETED"
    assert states.status_name(INACTIVE, 8, "S") == "TO"


@pytest.mark.rfc(21, "result")
@pytest.mark.parametrize(
    ("status", "exception", "name"),
    [
        (0, None, "COMPLETED"),
        (768, None, "FAILED"),
        (36608, "cancel", "CANCELED"),
        (-1, "cancel", "CANCELED"),
        (36352, "timeout", "TIMEOUT"),
        (256, "exec", "FAILED"),
        (0, "exec", "COMPLETED"),
        (0, "cancel", "COMPLETED"),
        (-1, "dependency", "FAILED"),
        (-1, None, "FAILED"),
    ],
)
def test_result(status, exception, name):
    assert states.result_name(states.job_result(status, exception)) == name


def test_pictures_cover_every_state_and_result():
    assert set(states.STATE_EMOJI) == {bit for bit in states.STATES if bit & (bit - 1) == 0}
    assert set(states.RESULT_EMOJI) == set(states.RESULTS)
