# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 44: the examples of the text, contexts, replay, the journal; a log of 1 MB."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import eventlog
from rosin.rfc import resource_events as events
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.resource_events.replay import Drained, remapped


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
    assert events.journal_response([events.validate(event) for event in response["events"]], R) == response


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


@pytest.mark.rfc(44, "remap", "drain", "undrain")
def test_events_are_applied_where_ranks_are_now():
    drained = Drained()

    def place(ranks, names):
        return remapped(ranks, names, {0: "n2", 1: "n1", 2: "n0"}, {"n2": 0, "n1": 1, "n0": 2})

    for entry in (
        events.drain(Idset("0-1"), Hostlist("n[0-1]"), 0, "why", 3.0),
        events.drain(Idset("1"), Hostlist("n1"), 0, None, 4.0, name="undrain"),
        event("else", idset="0"),
    ):
        drained.apply(entry, place)
    assert drained.items() == [(2, (3.0, "why"))]
    with pytest.raises(FormatError, match=r"^resource-events: drain: missing field 'nodelist'"):
        drained.apply(event("drain", idset="0"), place)


def test_the_order_in_which_flux_core_shows_a_context():
    orders = {"drain": ["idset", "nodelist", "reason", "overwrite"]}
    orders["undrain"] = ["idset", "nodelist", "overwrite", "reason"]
    for name, keys in orders.items():
        assert [*events.drain(Idset("0"), Hostlist("a"), 0, "why", 1.0, name=name)["context"]] == keys


def test_a_drain_of_flux_core_s_own_has_no_overwrite():
    drained = Drained()
    for reason in ("a", "b"):
        drained.apply(event("drain", idset="0", nodelist="n0", reason=reason), lambda ranks, names: ranks)
    assert [why for _, (_, why) in drained.items()] == ["b"]


names = st.sampled_from([*events.EVENTS, "else"])
values = st.none() | st.booleans() | st.integers(-1, 3) | st.text("0-3,a[", max_size=4) | st.floats()
keys = st.sampled_from(
    ["ranks", "online", "nodelist", "idset", "overwrite", "reason", "method", "expiration"]
)
entries = st.fixed_dictionaries(
    {"timestamp": st.floats(0.1, 9), "name": names}, optional={"context": st.dictionaries(keys, values)}
)


@given(entries | values)
def test_any_input(obj):
    fault = ""
    try:
        events.validate(obj)
    except FormatError as error:
        fault = str(error)
    assert "\n" not in fault


@pytest.mark.rfc(44, "journal-R")
def test_a_definition_without_R():
    with pytest.raises(FormatError, match="R is missing"):
        events.journal_response([event("resource-define", method="kvs")])


def test_a_megabyte():
    text = "".join(
        eventlog.encode("drain", {"idset": str(n), "nodelist": f"n{n}", "overwrite": n % 3}, n + 1.0)
        for n in range(10_000)
    )
    drained = Drained()
    for entry in eventlog.decode_entries(text):
        drained.apply(entry, lambda ranks, names: ranks)
    assert len(drained.items()) == 10_000
    events.validate(event("online", idset=",".join(map(str, range(0, 300_000, 2)))))
    with pytest.raises(FormatError, match="nodelist"):
        events.validate(event("restart", ranks="0", online="", nodelist="n[" * 500_000))
