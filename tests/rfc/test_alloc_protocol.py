# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27: the examples of the text, what is refused, merging of annotations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import alloc_protocol as protocol
from rosin.rfc.alloc_protocol import AllocJob, AllocResponse, Free
from rosin.rfc.idset import Idset
from rosin.rfc.treedict import merge

ID = 1552593348
JOBSPEC = {
    "resources": [{"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "task"}],
    "tasks": [{"command": ["/bin//true"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0, "cwd": "/home/user/project"}},
    "version": 1,
}
R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0", "children": {"core": "0-3"}}],
        "nodelist": ["test0"],
        "starttime": 1710076092,
        "expiration": 1710076122,
    },
}
HELLO = {"id": ID, "priority": 43444, "userid": 5588, "t_submit": 1552593348.073045, "free": "1-16,18"}
ALLOC = {"id": ID, "priority": 53444, "userid": 5588, "jobspec": JOBSPEC}
PRIORITIES = [[49056579584, 444], [57428410368, 298], [63988301824, 343205], [69675778048, 99]]

EXAMPLES: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("hello", lambda obj: AllocJob.decode_hello(obj).encode(), HELLO, HELLO),
    ("ready", protocol.ready_limit, {"mode": "limited", "limit": 42}, 42),
    ("alloc", lambda obj: AllocJob.decode_alloc(obj).encode(), ALLOC, {**ALLOC, "t_submit": 0.0}),
    (
        "success",
        lambda obj: AllocResponse.decode(obj).annotations,
        {"id": ID, "type": 0, "annotations": {"sched": {"resource_summary": "rank[0-1]/core0"}}},
        {"sched": {"resource_summary": "rank[0-1]/core0"}},
    ),
    (
        "annotate",
        lambda obj: AllocResponse.decode(obj).annotations,
        {
            "id": ID,
            "type": 1,
            "annotations": {
                "sched": {"t_estimate": 593016000.0, "reason_pending": "requested GPUs are unavailable"}
            },
        },
        {"sched": {"t_estimate": 593016000.0, "reason_pending": "requested GPUs are unavailable"}},
    ),
    (
        "deny",
        lambda obj: AllocResponse.decode(obj).note,
        {"id": ID, "type": 2, "note": "more nodes requested than configured"},
        "more nodes requested than configured",
    ),
    ("canceled", lambda obj: AllocResponse.decode(obj).type, {"id": ID, "type": 3}, protocol.CANCEL),
    ("cancel", protocol.canceled, {"id": ID}, ID),
    ("prioritize", protocol.priorities, {"jobs": PRIORITIES}, [tuple(pair) for pair in PRIORITIES]),
    (
        "free",
        lambda obj: Free.decode(obj).encode(),
        {"id": ID, "R": R, "final": True},
        {"id": ID, "R": R, "final": True},
    ),
]


@pytest.mark.rfc(
    27, "hello-jobs", "ready", "alloc", "response-type", "annotate", "deny", "prioritize", "free"
)
@pytest.mark.rfc_vectors(27)
@pytest.mark.parametrize(("name", "read", "obj", "expected"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_the_examples(name, read, obj, expected):
    assert read(json.loads(json.dumps(obj))) == expected


@pytest.mark.rfc(27, "hello", "ready", "expiration", "feasibility")
def test_the_small_messages():
    assert [protocol.partial_ok(obj) for obj in (None, {}, {"partial-ok": True})] == [False, False, True]
    assert protocol.ready() == {"mode": "unlimited"}
    assert [protocol.ready_limit(protocol.ready(n)) for n in (0, 1, 2**31 - 1)] == [0, 1, 2**31 - 1]
    assert protocol.queue_depth({"count": 3}) == 3
    assert protocol.expiration({"id": 1, "expiration": 9}) == (1, 9.0)
    assert protocol.expiration({"id": 1, "expiration": 9.5}) == (1, 9.5)
    assert protocol.feasibility({"jobspec": JOBSPEC}) == JOBSPEC
    for limit in (-1, 2**31):
        with pytest.raises(FormatError, match="sched-ready: limit: expected 0 to 2147483647"):
            protocol.ready(limit)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
objects = st.dictionaries(st.text(max_size=3), json_values, max_size=3)
job_ids = st.integers(0, 2**63 - 1)


@given(
    job_ids,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1e12),
    st.sets(st.integers(0, 99)),
    objects,
)
def test_jobs_come_through(id, priority, userid, t_submit, free, jobspec):
    hello = AllocJob(id, priority, userid, t_submit, free=Idset(free))
    assert ("free" in hello.encode()) is bool(free)
    again = AllocJob.decode_hello(json.loads(json.dumps(hello.encode())))
    assert (again.free, again.jobspec, again.encode()) == (Idset(free), None, hello.encode())
    request = AllocJob(id, priority, userid, t_submit, jobspec=jobspec)
    assert AllocJob.decode_alloc(json.loads(json.dumps(request.encode()))).encode() == request.encode()


@pytest.mark.rfc(27, "response-type")
@given(job_ids, st.integers(0, 3), st.none() | objects, st.none() | st.text(max_size=3), st.none() | objects)
def test_responses_come_through(id, kind, annotations, note, resources):
    given_ = AllocResponse(id, kind, annotations=annotations, note=note, R=resources)
    if kind == protocol.ANNOTATE and annotations is None:
        with pytest.raises(FormatError, match=r"sched.alloc response: missing field 'annotations'"):
            AllocResponse.decode(given_.encode())
        return
    got = AllocResponse.decode(json.loads(json.dumps(given_.encode())))
    assert (got.id, got.type, got.final) == (id, kind, kind != protocol.ANNOTATE)
    assert got.annotations == (annotations if kind in (protocol.SUCCESS, protocol.ANNOTATE) else None)
    assert got.note == (note if kind == protocol.DENY else None)
    assert (resources if kind == protocol.SUCCESS else None) == got.R


@pytest.mark.parametrize(
    ("read", "obj", "text"),
    [
        (AllocJob.decode_hello, None, "^sched-hello: expected an object, got null"),
        (
            AllocJob.decode_hello,
            {**HELLO, "priority": 2**32},
            "^sched-hello: field 'priority': expected 0 to",
        ),
        (AllocJob.decode_hello, {**HELLO, "id": -1}, "^sched-hello: field 'id': expected 0 to"),
        (
            AllocJob.decode_hello,
            {**HELLO, "t_submit": -1.0},
            "^sched-hello: field 't_submit': expected a time",
        ),
        (AllocJob.decode_hello, {**HELLO, "free": "x"}, "^sched-hello: field 'free': idset: unexpected 'x'"),
        (AllocJob.decode_alloc, HELLO, "^sched.alloc: missing field 'jobspec'"),
        (
            AllocJob.decode_alloc,
            {**ALLOC, "userid": True},
            "^sched.alloc: field 'userid': expected an integer",
        ),
        (AllocResponse.decode, {"type": 0}, "^sched.alloc response: missing field 'id'"),
        (AllocResponse.decode, {"id": 1, "type": 4}, "^sched.alloc response: field 'type': expected 0 to 3"),
        (AllocResponse.decode, {"id": 1, "type": 0, "R": 1}, "field 'R': expected an object or null"),
        (AllocResponse.decode, {"id": 1, "type": 2, "note": 1}, "field 'note': expected a string or null"),
        (Free.decode, {"id": 1}, "^sched.free: missing field 'R'"),
        (Free.decode, {"id": 1, "R": {}, "final": 1}, "^sched.free: field 'final': expected true or false"),
        (protocol.partial_ok, {"partial-ok": 1}, "^sched-hello: field 'partial-ok': expected true or false"),
        (protocol.ready_limit, {"mode": "single"}, "^sched-ready: unknown mode 'single': use limited or"),
        (protocol.ready_limit, {"mode": "limited"}, "^sched-ready: missing field 'limit'"),
        (protocol.ready_limit, {"mode": "limited", "limit": 0}, "^sched-ready: field 'limit': expected 1 to"),
        (protocol.queue_depth, {}, "^sched-ready response: missing field 'count'"),
        (protocol.canceled, {}, "^sched.cancel: missing field 'id'"),
        (
            protocol.priorities,
            {"jobs": [1]},
            r"^sched.prioritize: jobs\[0\]: expected \[id, priority\], got 1",
        ),
        (protocol.priorities, {"jobs": [[1, -1]]}, r"^sched.prioritize: jobs\[0\]: expected 0 to 4294967295"),
        (
            protocol.expiration,
            {"id": 1, "expiration": "x"},
            "^sched.expiration: field 'expiration': expected",
        ),
        (protocol.feasibility, {"jobspec": 1}, "^feasibility.check: field 'jobspec': expected an object"),
    ],
)
def test_what_is_refused(read, obj, text):
    with pytest.raises(FormatError, match=text):
        read(obj)


@pytest.mark.rfc(27, "merge")
@pytest.mark.parametrize(
    ("have", "change", "result"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"a": 1}, {"b": None}, {"a": 1}),
        ({"s": {"x": 1, "y": 2}}, {"s": {"x": None, "z": {"n": 1}}}, {"s": {"y": 2, "z": {"n": 1}}}),
        ({"s": {"x": 1}}, {"s": "text"}, {"s": "text"}),
        ({"s": "text"}, {"s": {"x": 1}}, {"s": {"x": 1}}),
        ({"user": {"a": [1]}}, {"user": {"a": [2]}, "sched": {}}, {"user": {"a": [2]}}),
    ],
)
def test_annotations(have, change, result):
    assert merge(have, change) == result


readers = st.sampled_from(
    [
        AllocJob.decode_hello,
        AllocJob.decode_alloc,
        AllocResponse.decode,
        Free.decode,
        *(protocol.partial_ok, protocol.ready_limit, protocol.queue_depth, protocol.canceled),
        *(protocol.priorities, protocol.expiration, protocol.feasibility),
    ]
)
keys = ["id", "priority", "userid", "t_submit", "free", "jobspec", "type", "annotations", "note", "R", "jobs"]


@given(
    readers, json_values | st.dictionaries(st.sampled_from([*keys, "mode", "limit", "final"]), json_values)
)
def test_any_input(read, obj):
    fault = ""
    try:
        read(obj)
    except FormatError as error:
        fault = str(error)
    assert "\n" not in fault


def test_a_megabyte():
    pairs = [[n, n % 1000] for n in range(100_000)]
    assert len(protocol.priorities({"jobs": pairs})) == 100_000
    ranks = ",".join(map(str, range(0, 300_000, 2)))
    assert len(AllocJob.decode_hello({**HELLO, "free": ranks}).free) == 150_000
