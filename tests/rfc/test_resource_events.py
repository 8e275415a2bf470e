# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 44: the examples of the text, contexts, replay, the journal; a log of 1 MB."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import eventlog
from rosin.rfc import resource_events as events
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.resource_replay import Drained, ResourceLog, remapped


def event(name: str, timestamp: float = 1.0, **context: Any) -> dict[str, Any]:
    return {"timestamp": timestamp, "name": name, "context": context}


#: The samples; three of them are not JSON in the text, their braces are put right here.
SAMPLES = [
    event("restart", 1738083782.295166, ranks="0-3", online="", nodelist="picl[0-3]"),
    event("resource-define", 1733943875.258601, method="configuration"),
    event("resource-update", 1738006627.292861, expiration=1738009133),
    event(
        "drain",
        1733965155.6272159,
        idset="0",
        nodelist="picl0",
        reason="unkillable processes for job ƒ4zX8UnMMxj",
        overwrite=0,
    ),
    event(
        "undrain", 1734395501.1793933, idset="0", nodelist="picl0", reason="node was rebooted", overwrite=0
    ),
    event("online", 1738007023.0803587, idset="1-15"),
    event("offline", 1738007048.9008777, idset="12"),
    event("torpid", 1738007023.0803587, idset="7"),
    event("lively", 1738007023.0803587, idset="7"),
]
R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-63", "children": {"core": "0-5"}}],
        "starttime": 0,
        "expiration": 0,
        "nodelist": ["test[0-63]"],
    },
}
JOURNAL: list[dict[str, Any]] = [
    {"events": [event("restart", 1738091754.2095973, ranks="0-63", online="", nodelist="test[0-63]")]},
    {"events": [event("online", 1738091754.6308477, idset="0")]},
    {"events": [event("online", 1738091755.6784651, idset="1,4,6,8,13,17,21,23,26,29-30")]},
    {"events": [event("online", 1738091755.7908268, idset="3,7,9,12,14,18-19,24,27")]},
    {"events": [event("online", 1738091755.8945713, idset="2,5,10-11,15-16,20,22,25,28,31-32")]},
    {"events": [event("resource-define", 1738091756.397182, method="dynamic-discovery")], "R": R},
    {"events": [event("online", 1738091756.8738723, idset="34,36-39,44-46,49-52,54,56,58,60-62")]},
    {"events": [event("online", 1738091756.9749432, idset="33,35,40-43,47-48,53,55,57,59,63")]},
    {"events": []},
]


@pytest.mark.rfc(44, "restart", "define", "update", "drain", "undrain", "ranks-events")
@pytest.mark.rfc_vectors(44)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s["name"])
def test_the_samples(sample):
    assert events.validate(sample) is sample
    line = eventlog.encode_entry(sample)
    assert events.validate(eventlog.decode_entry(line)) == sample
    ResourceLog().apply(sample)
    time, context = sample["timestamp"], dict(sample["context"])
    made = {
        "restart": lambda: events.restart(
            Idset(context["ranks"]), Idset(context["online"]), Hostlist(context["nodelist"]), time
        ),
        "resource-define": lambda: events.define(context["method"], time),
        "resource-update": lambda: events.update(context["expiration"], time),
    }.get(sample["name"])
    if made is None and "nodelist" in context:
        hosts, why = Hostlist(context["nodelist"]), context["reason"]
        again = events.drain(Idset(context["idset"]), hosts, 0, why, time, name=sample["name"])
    elif made is None:
        again = events.ranks_event(sample["name"], Idset(context["idset"]), time)
    else:
        again = made()
    assert again == sample


@pytest.mark.rfc(44, "journal-events", "sentinel", "journal-R")
@pytest.mark.rfc_vectors(44)
@pytest.mark.parametrize("response", JOURNAL, ids=range(len(JOURNAL)))
def test_the_journal(response):
    decoded, resources = events.decode_journal(json.loads(json.dumps(response)))
    assert (decoded, resources) == (response["events"], response.get("R"))
    assert events.journal_response(decoded, R) == response


def test_the_journal_adds_up():
    log = ResourceLog()
    for response in JOURNAL:
        log.replay(events.decode_journal(response)[0])
    assert log.online == log.ranks == log.available() == Idset("0-63")
    assert (log.method, log.host(63), log.host(64)) == ("dynamic-discovery", "test63", "")


@pytest.mark.rfc(
    44, "restart", "define", "update", "drain", "undrain", "overwrite", "ranks-events", "truncate-no-context"
)
@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (1, "^eventlog: expected an object"),
        ({"timestamp": 1.0}, "^eventlog: name: expected a string"),
        (event("restart", ranks="0", online=""), "^resource-events: restart: missing field 'nodelist'"),
        (event("restart", ranks="0", online="", nodelist="a,b"), "restart: nodelist: 2 hosts for 1 ranks"),
        (event("restart", ranks="0", online="1", nodelist="a"), "restart: online: expected some of ranks"),
        (event("restart", ranks=0, online="1", nodelist="a"), "restart: field 'ranks': expected a string"),
        (
            event("resource-define", method="magic"),
            "define: method: expected one of configuration, .*'magic'",
        ),
        (event("resource-update"), "resource-update: missing field 'expiration'"),
        (event("resource-update", expiration="1"), "'expiration': expected an integer or a number"),
        (event("drain", idset="0", nodelist="a"), "drain: missing field 'overwrite'"),
        (event("drain", idset="0", nodelist="a", overwrite=3), "overwrite: expected 0, 1 or 2, got 3"),
        (event("drain", idset="0", nodelist="a", overwrite=True), "'overwrite': expected an integer"),
        (event("drain", idset="x", nodelist="a", overwrite=0), "drain: idset: idset: unexpected 'x'"),
        (event("drain", idset="0", nodelist="a[", overwrite=0), "drain: nodelist: hostlist: "),
        (event("drain", idset="0", nodelist="a", overwrite=0, reason=1), "'reason': expected a string"),
        (event("undrain", idset="0"), "undrain: missing field 'nodelist'"),
        (event("undrain", idset="0", nodelist="a", overwrite=-1), "undrain: overwrite: expected 0, 1 or 2"),
        (event("online"), "online: missing field 'idset'"),
        (event("offline", idset=1), "offline: field 'idset': expected a string"),
        (event("torpid", idset="0-1048576"), "torpid: idset: idset: id at column 3 is above the limit"),
        ({"timestamp": 1.0, "name": "lively"}, "lively: missing field 'idset'"),
        (event("truncate"), "truncate: expected no context"),
    ],
)
def test_faults_have_a_place(obj, text):
    with pytest.raises(FormatError, match=text):
        events.validate(obj)


def test_more_is_allowed():
    events.validate(event("undrain", idset="0", nodelist="a"))
    events.validate(event("undrain", idset="0", nodelist="a", overwrite=2, more=1))
    events.validate(event("else", anything=[1]))
    events.validate({"timestamp": 1.0, "name": "truncate"})
    events.validate(event("resource-update", expiration=1738009133.25))
    with pytest.raises(FormatError, match="method: expected one of"):
        events.define("none", 1.0)


@pytest.mark.rfc(44, "truncate", "truncate-never-kept", "kept")
def test_where_truncate_may_be():
    cut = {"timestamp": 1.0, "name": "truncate"}
    events.validate_log([cut, *SAMPLES])
    with pytest.raises(FormatError, match="event 10: truncate: must be the first"):
        events.validate_log([*SAMPLES, cut])
    with pytest.raises(FormatError, match="event 1: truncate: is not kept in the KVS"):
        events.validate_log([cut], stored=True)
    with pytest.raises(FormatError, match=r"^resource-events: event 2: drain: missing field 'idset'"):
        events.validate_log([SAMPLES[0], event("drain")])
    with pytest.raises(FormatError, match=r"^resource-events: event 1: expected an object"):
        events.validate_log([1])
    assert {"resource-define", "resource-update", "drain", "undrain"} == events.KEPT
    log = ResourceLog()
    log.apply(cut)
    assert log.truncated == 1.0


@pytest.mark.rfc(44, "truncate")
@given(st.integers(0, 20), st.integers(1, 12))
def test_truncating(count, limit):
    log = [event("online", float(n + 1), idset=str(n)) for n in range(count)]
    short = events.truncated(log, limit)
    assert len(short) == min(count, limit)
    events.validate_log(short)
    if count > limit:
        assert short[0] == {"timestamp": float(count - limit + 1), "name": "truncate"}
        assert short[1:] == log[count - limit + 1 :]
    else:
        assert short == log
    assert events.truncated(short, limit) == short


@pytest.mark.rfc(44, "overwrite")
@pytest.mark.parametrize(
    ("overwrite", "held", "expected"),
    [
        (0, "a", (1.0, "a")),
        (1, "a", (1.0, "b")),
        (2, "a", (2.0, "b")),
        (0, None, (1.0, "b")),
        (1, None, (1.0, "b")),
        (2, None, (2.0, "b")),
    ],
)
def test_draining_what_is_drained(overwrite, held, expected):
    drained = Drained()
    drained.drain([3, 4], 1.0, held, 0)
    drained.drain(Idset("3"), 2.0, "b", overwrite)
    assert drained.get(3) == expected
    assert drained.get(4) == (1.0, held)
    assert drained.ranks() == Idset("3-4")
    drained.undrain([3, 9])
    assert drained.items() == [(4, (1.0, held))]
    assert len(drained) == 1
    assert drained.get(3) is None


@pytest.mark.rfc(44, "remap")
@pytest.mark.parametrize(
    ("ranks", "names", "now"),
    [
        ("0", "a", "0"),  # as it was
        ("1-2", "b,c", "1-2"),
        ("0", "c", "2"),  # the host has another rank
        ("1", "x", ""),  # the host is gone
        ("9", "a", "0"),  # the rank is gone, the host is not
        ("9", "", ""),
        ("3", "a", "3"),  # the second rank of a host
        ("0,2", "b", "0,2"),  # names that do not fit say nothing
        ("2", "", "2"),
    ],
)
def test_where_recorded_ranks_are(ranks, names, now):
    hosts = {0: "a", 1: "b", 2: "c", 3: "a"}
    assert remapped(Idset(ranks), Hostlist(names), hosts, {"a": 0, "b": 1, "c": 2}) == Idset(now)


@pytest.mark.rfc(44, "remap")
def test_hosts_stay_drained_when_ranks_change():
    log = ResourceLog()
    log.replay(
        [
            events.restart(Idset("0-2"), Idset(), Hostlist("n[0-2]"), 1.0),
            events.ranks_event("online", Idset("0-2"), 2.0),
            events.drain(Idset("0-1"), Hostlist("n[0-1]"), 0, "why", 3.0),
            events.drain(Idset("1"), Hostlist("n1"), 0, None, 4.0, name="undrain"),
            events.restart(Idset("0-2"), Idset("1"), Hostlist("n[2,1,0]"), 5.0),
        ]
    )
    assert log.drained.items() == [(2, (3.0, "why"))]
    assert (log.online, log.available()) == (Idset("1"), Idset("1"))
    log.apply(events.restart(Idset("0"), Idset(), Hostlist("other"), 6.0))
    assert not log.drained


@pytest.mark.rfc(44, "ranks-events", "update")
def test_availability():
    log = ResourceLog()
    for name, ranks in (("online", "0-5"), ("torpid", "1-2"), ("lively", "1"), ("offline", "2-3")):
        log.apply(events.ranks_event(name, Idset(ranks), 1.0))
    assert (log.online, log.torpid, log.available()) == (Idset("0-1,4-5"), Idset(), Idset("0-1,4-5"))
    log.apply(events.drain(Idset("0"), Hostlist("a"), 0, None, 1.0))
    assert log.available() == Idset("1,4-5")
    log.apply(events.update(9.5, 1.0))
    assert log.expiration == 9.5
    log.apply(event("unknown"))
    with pytest.raises(FormatError, match=r"^resource-events: event 2: online: idset: "):
        log.replay([event("unknown"), event("online", idset="x")])


names = st.sampled_from([*events.EVENTS, "else"])
values = st.none() | st.booleans() | st.integers(-1, 3) | st.text("0-3,a[", max_size=4) | st.floats()
keys = st.sampled_from(
    ["ranks", "online", "nodelist", "idset", "overwrite", "reason", "method", "expiration"]
)
entries = st.fixed_dictionaries(
    {"timestamp": st.floats(0.1, 9), "name": names}, optional={"context": st.dictionaries(keys, values)}
)


@given(st.lists(entries | values), values | st.fixed_dictionaries({"events": st.lists(entries)}))
def test_any_input(log, response):
    for function, obj in ((ResourceLog().replay, log), (events.decode_journal, response)):
        fault = ""
        try:
            function(obj)
        except FormatError as error:
            fault = str(error)
        assert "\n" not in fault


@pytest.mark.rfc(44, "journal-R", "journal-events")
@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (None, "^resource.journal: expected an object, got null"),
        ({}, "^resource.journal: missing field 'events'"),
        ({"events": {}}, "^resource.journal: field 'events': expected an array"),
        ({"events": [1]}, r"^resource.journal: events\[0\]: expected an object, got 1"),
        ({"events": [event("online")]}, r"^resource.journal: events\[0\]: online: missing field 'idset'"),
        ({"events": [event("resource-define", method="kvs")]}, "^resource.journal: R is missing"),
        ({"events": [], "R": 1}, "^resource.journal: field 'R': expected an object or null"),
    ],
)
def test_faulty_responses(obj, text):
    with pytest.raises(FormatError, match=text):
        events.decode_journal(obj)
    with pytest.raises(FormatError, match="R is missing"):
        events.journal_response([event("resource-define", method="kvs")])


def test_a_megabyte():
    text = "".join(
        eventlog.encode("drain", {"idset": str(n), "nodelist": f"n{n}", "overwrite": n % 3}, n + 1.0)
        for n in range(10_000)
    )
    log = ResourceLog()
    log.apply(events.restart(Idset.from_range(0, 9_999), Idset(), Hostlist("n[0-9999]"), 1.0))
    log.replay(eventlog.decode_entries(text))
    assert len(log.drained) == 10_000
    events.validate(event("online", idset=",".join(map(str, range(0, 300_000, 2)))))
    with pytest.raises(FormatError, match="nodelist"):
        events.validate(event("restart", ranks="0", online="", nodelist="n[" * 500_000))
