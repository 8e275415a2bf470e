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
