# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 18: event logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import eventlog
from rosin.rfc.eventlog import Event

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
timestamps = st.floats(min_value=1e-3, max_value=1e12)
contexts = st.none() | st.dictionaries(st.text(), json_values, max_size=3)
entries = st.builds(eventlog.entry, st.text(), contexts, timestamps)


@pytest.mark.rfc(18, "one-line", "timestamp", "name", "context")
def test_layout():
    line = eventlog.encode("submit", {"userid": 0, "urgency": 16}, 1552593348.088391)
    assert line == '{"timestamp":1552593348.088391,"name":"submit","context":{"userid":0,"urgency":16}}\n'
    assert eventlog.encode("clean", timestamp=1) == '{"timestamp":1.0,"name":"clean"}\n'


# The example of the text; one line of it has a key without quotes.
EXAMPLE = [
    (1552593348.073045, "submit", {"urgency": 16, "userid": 5588, "flags": 0}),
    (1552593547.411336, "urgency", {"urgency": 0, "userid": 5588}),
    (1552593348.088391, "alloc", {"note": "rank0/core[0-1]"}),
    (1552593348.093541, "free", None),
    (1552593348.089787, "start", None),
    (1552593348.092830, "release", {"ranks": "all", "final": True}),
    (1552593348.090927, "finish", {"status": 0}),
    (1552593348.104432, "clean", None),
]


@pytest.mark.rfc_vectors(18)
@pytest.mark.rfc(18, "one-line", "timestamp", "name", "context")
@pytest.mark.parametrize(("timestamp", "name", "context"), EXAMPLE)
def test_example_of_the_text(timestamp, name, context):
    line = eventlog.encode(name, context, timestamp)
    assert eventlog.decode_line(line) == Event(timestamp, name, context)
    assert repr(timestamp) in line


@pytest.mark.rfc(18, "append")
@given(st.lists(st.lists(entries, max_size=3), max_size=4))
def test_a_log_is_whatever_was_appended(appends):
    log = "".join(map(eventlog.encode_entries, appends))
    assert eventlog.decode_entries(log) == [entry for part in appends for entry in part]


def test_hostile_logs_take_no_time():
    for text in ("[" * 100_000 + "\n", '{"timestamp":' * 80_000 + "\n", "\n" * (1 << 20), "x" * (1 << 20)):
        for log in (text, text.encode()):
            with pytest.raises(FormatError, match="eventlog: line 1: ") as caught:
                eventlog.decode(log)
            assert len(str(caught.value)) < 300
    line = '{"timestamp":1.5,"name":"a"}\n'
    assert len(eventlog.decode(line * 40_000)) == 40_000
    with pytest.raises(FormatError, match="eventlog: line 40001: not valid JSON"):
        eventlog.decode(line * 40_000 + "{\n")


def test_decode_log_that_is_not_in_order():
    log = (
        '{"timestamp":1552593547.5,"name":"urgency","context":{"urgency":0}}\n'
        '{"timestamp":1552593348, "name":"submit"}\n'
    )
    assert eventlog.decode(log) == [
        Event(1552593547.5, "urgency", {"urgency": 0}),
        Event(1552593348.0, "submit"),
    ]
    assert eventlog.decode(log.encode()) == eventlog.decode(log)
    assert eventlog.decode("") == []


@given(st.lists(entries, max_size=5))
def test_round_trip(log):
    text = eventlog.encode_entries(log)
    assert text == "".join(map(eventlog.encode_entry, log))
    assert text.count("\n") == len(log)
    assert eventlog.decode_entries(text) == log
    assert eventlog.decode_entries(text.encode()) == log
    for event, obj in zip(eventlog.decode(text), log, strict=True):
        assert (event.timestamp, event.name, event.context) == (
            obj["timestamp"],
            obj["name"],
            obj.get("context", {}),
        )
        assert eventlog.decode_line(eventlog.encode_entry(obj)) == event


def test_event_gives_back_its_entry():
    assert Event(1.5, "start").entry() == {"timestamp": 1.5, "name": "start"}
    assert Event(1.5, "x", {"a": 1}).entry() == {"timestamp": 1.5, "name": "x", "context": {"a": 1}}
    assert Event(1.5, "x") != "x"
    assert repr(Event(1.5, "x")) == "Event(1.5, 'x', {})"


@pytest.mark.rfc(18, "timestamp")
@pytest.mark.parametrize("timestamp", [0, -1.0, float("nan"), float("inf")])
def test_a_time_stamp_is_required(timestamp):
    with pytest.raises(FormatError, match="expected a timestamp above 0"):
        eventlog.encode("x", None, timestamp)


@pytest.mark.rfc(18, "one-line", "timestamp", "name", "context", "whole-events")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n", "eventlog: line 1: timestamp: expected a number above 0, got null"),
        ('{"timestamp":0,"name":"a"}\n', "eventlog: line 1: timestamp: expected a number above 0, got 0"),
        (
            '{"timestamp":true,"name":"a"}\n',
            "eventlog: line 1: timestamp: expected a number above 0, got true",
        ),
        ('{"timestamp":1}\n', "eventlog: line 1: name: expected a string, got null"),
        (
            '{"timestamp":1,"name":"a","context":[]}\n',
            "eventlog: line 1: context: expected an object, got an array",
        ),
        ('{"timestamp":1,"name":"a"}\n[]\n', "eventlog: line 2: expected an object, got an array"),
        ('{"timestamp":1,"name":"a"}', "eventlog: line 1: does not end in a newline"),
        ('{"timestamp":1,"name":"a"}\n{"time', "eventlog: line 2: does not end in a newline"),
        ("submit 1\n", "eventlog: line 1: not valid JSON"),
        ("\n", "eventlog: line 1: not valid JSON"),
        ('{"timestamp":1,\n"name":"a"}\n', "eventlog: line 1: not valid JSON"),
    ],
)
def test_refusals_name_the_line(text, message):
    for log in (text, text.encode()):
        with pytest.raises(FormatError) as info:
            eventlog.decode(log)
        assert str(info.value).startswith(message)


def test_one_event_takes_one_line():
    for line in ('{"timestamp":1,\n"name":"a"}', b'{"timestamp":1,\n"name":"a"}'):
        with pytest.raises(FormatError, match="exactly one line"):
            eventlog.decode_line(line)


@given(st.binary() | st.text())
def test_any_input_is_a_log_or_refused(data):
    try:
        events = eventlog.decode(data)
    except FormatError:
        return
    assert len(events) == (data.count(b"\n") if isinstance(data, bytes) else data.count("\n"))
