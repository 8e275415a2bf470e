# SPDX-License-Identifier: LGPL-3.0-or-later
"""Constraints of job-list: vectors from flux-core, and any constraint against an evaluation word by word."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.job.table.attributes import ATTRIBUTES, POSITION
from rosin.job.table.constraint import ALL_STATES, Context, compile_constraint, legacy_constraint
from rosin.job.table.table import JobTable
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset

JOURNAL = [json.loads(line) for line in (Path(__file__).parent / "journal.jsonl").read_text().splitlines()]
CONTEXT = Context(2, {"small": "big"})


def recorded():
    table = JobTable()
    for response in JOURNAL:
        table.process(response)
    return table.index


INDEX = recorded()


def select(constraint):
    compiled = compile_constraint(constraint, CONTEXT)
    return [row[0] for row in INDEX.select(compiled.matches, compiled.may)]


def row(**values):
    return tuple(values.get(name) for name in ("id", *ATTRIBUTES))


@pytest.mark.rfc(43, "op-entries-limited", "op-times")
@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        ({"foo": [1]}, "unknown constraint operator: foo"),
        ({"states": ["x"]}, "invalid states value 'x' specified"),
        ({"t_run": []}, "timestamp value not specified"),
        ({"t_run": ["5"]}, "timestamp comparison operator not specified"),
        ({"userid": ["a"]}, "userid value must be an integer"),
        ({"userid": [True]}, "userid value must be an integer"),
        ({"a": [], "b": []}, "constraint must only contain 1 element"),
        ([], "constraint must be JSON object"),
        ({"states": 4}, "operator states values not an array"),
        ({"hostlist": [5]}, "host value must be a string"),
        ({"states": [4096]}, "invalid states value '1000h' specified"),
        ({"results": [{}]}, "results value invalid type"),
        ({"t_run": [">x"]}, "Invalid timestamp value specified"),
        ({"t_run": [">-1"]}, "timestamp value must be >= 0.0"),
        ({"t_run": [">nan"]}, "timestamp value must be >= 0.0"),
        ({"t_run": [5]}, "t_run value must be a string"),
        ({"hostlist": ["[x"]}, "host value not in valid Hostlist format"),
        ({"hostlist": ["n[1-2000]"]}, "too many hosts specified"),
        ({"ranks": ["0-1024"]}, "too many ranks specified"),
        ({"results": ["z"]}, "invalid results value 'z' specified"),
        ({"name": [1]}, "name value must be a string"),
        ({"and": [{"or": [{"not": [{"x": []}]}]}]}, "unknown constraint operator: x"),
    ],
)
def test_bad_constraint_has_flux_cores_text(constraint, text):
    with pytest.raises(FormatError) as caught:
        compile_constraint(constraint, CONTEXT)
    assert str(caught.value) == text


def test_bad_ranks_and_deep_nesting():
    with pytest.raises(FormatError, match=r"^ranks value 'x': "):
        compile_constraint({"ranks": ["x"]}, CONTEXT)
    deep = {"states": ["run"]}
    for _ in range(100):
        deep = {"not": [deep]}  # type: ignore[list-item]
    with pytest.raises(FormatError, match="nested"):
        compile_constraint(deep, CONTEXT)


@pytest.mark.rfc(
    43,
    "constraint",
    "op-userid",
    "op-name",
    "op-states",
    "op-results",
    "op-hostlist",
    "op-ranks",
    "op-times",
    "op-or",
    "op-and",
    "op-not",
)
@pytest.mark.parametrize(
    ("constraint", "ids"),
    [
        ({}, "23456789a"),
        ({"and": []}, "23456789a"),
        ({"or": []}, "23456789a"),
        ({"not": []}, ""),
        ({"states": []}, ""),
        ({"states": ["pending"]}, "23"),
        ({"states": ["R", 64]}, "456789a"),
        ({"results": ["completed", 2]}, "79a"),
        ({"not": [{"results": ["completed", 2]}]}, "234568"),
        ({"userid": [-1]}, "23456789a"),
        ({"userid": [42]}, ""),
        ({"name": ["foo", "true"]}, "9a"),
        ({"hostlist": ["n[1-3]"]}, "a"),
        ({"hostlist": ["n0"]}, "4569a"),
        ({"ranks": ["1-5"]}, "46a"),
        ({"t_run": [">=1795345890.05"]}, "456"),
        ({"t_inactive": ["<=1795345890.0900977"]}, "9a"),
        ({"t_inactive": ["<1795345890.0900977"]}, "a"),
        ({"t_cleanup": [">0"]}, "6789a"),
        ({"not": [{"t_run": [">0"]}, {"ranks": ["0"]}]}, "23478 6".replace(" ", "")),
        ({"and": [{"userid": [0]}, {"states": ["inactive"]}, {"not": [{"name": ["sleep"]}]}]}, "9a"),
    ],
)
def test_recorded_jobs(constraint, ids):
    order = [row[0] for row in INDEX.rows()]
    label = {jobid: "23456789a"[at] for at, jobid in enumerate(order)}
    assert "".join(sorted(label[jobid] for jobid in select(constraint))) == "".join(sorted(ids))


@pytest.mark.rfc(43, "op-queue")
def test_queue_includes_its_virtual_queues():
    compiled = compile_constraint({"queue": ["big"]}, CONTEXT)
    shown = [queue for queue in ("big", "small", "other", None) if compiled.matches(row(queue=queue))]
    assert shown == ["big", "small"]
    assert not compile_constraint({"queue": ["small"]}, CONTEXT).matches(row(queue="big"))


def test_legacy_fields():
    assert legacy_constraint({"max_entries": 0, "attrs": []}) == {}
    assert legacy_constraint({"userid": -1, "states": 0, "results": 0}) == {"and": []}
    full = {"userid": 5, "states": 64, "results": 1, "name": "n", "queue": "q"}
    assert legacy_constraint(full) == {
        "and": [{"userid": [5]}, {"name": ["n"]}, {"queue": ["q"]}, {"states": [64]}, {"results": [1]}]
    }


def evaluate(constraint, job):
    """RFC 43 word by word, on a job as a dict."""
    if not constraint:
        return True
    ((op, values),) = constraint.items()
    if op == "and":
        return all(evaluate(value, job) for value in values)
    if op == "or":
        return not values or any(evaluate(value, job) for value in values)
    if op == "not":
        return not all(evaluate(value, job) for value in values)
    if op == "states":
        return bool(job["state"] & sum(set(values)))
    if op == "results":
        return bool((job.get("result") or 0) & sum(set(values)))
    if op == "hostlist":
        return job.get("nodelist") is not None and bool(
            set(Hostlist(job["nodelist"])) & set(Hostlist(values))
        )
    if op == "ranks":
        return job.get("ranks") is not None and any(
            bool(Idset(job["ranks"]) & Idset(value)) for value in values
        )
    if op.startswith("t_"):
        limit = float(values[0].lstrip("<>="))
        time = job.get(op)
        sign = values[0][: -len(values[0].lstrip("<>="))]
        return (
            time is not None
            and {
                ">": time > limit,
                "<": time < limit,
                ">=": time >= limit,
                "<=": time <= limit,
            }[sign]
        )
    return job.get(op) in values


STATES = (2, 4, 8, 16, 32, 64)


def bits(choices):
    return st.lists(st.sampled_from(choices), max_size=3)


@st.composite
def leaves(draw):
    op = draw(st.sampled_from(["userid", "name", "queue", "states", "results", "hostlist", "ranks", "t"]))
    if op == "t":
        sign = draw(st.sampled_from([">", "<", ">=", "<="]))
        return {
            draw(st.sampled_from(["t_submit", "t_sched", "t_run", "t_inactive"])): [
                f"{sign}{draw(st.integers(0, 4))}"
            ]
        }
    values = {
        "userid": st.integers(0, 3),
        "name": st.sampled_from("xyz"),
        "queue": st.sampled_from("abc"),
        "states": st.sampled_from(STATES),
        "results": st.sampled_from((1, 2, 4, 8)),
        "hostlist": st.sampled_from(["h0", "h[1-2]", "h3"]),
        "ranks": st.sampled_from(["0", "1-2", "3"]),
    }[op]
    return {op: draw(st.lists(values, max_size=3))}


constraints = st.recursive(
    leaves(),
    lambda inner: st.tuples(st.sampled_from(["and", "or", "not"]), st.lists(inner, max_size=3)).map(
        lambda pair: {pair[0]: pair[1]}
    ),
    max_leaves=8,
)


@st.composite
def jobs(draw):
    state = draw(st.sampled_from(STATES))
    job = {
        "id": 1,
        "state": state,
        "userid": draw(st.integers(0, 3)),
        "t_submit": float(draw(st.integers(0, 4))),
    }
    job["name"] = draw(st.sampled_from("xyz"))
    job["queue"] = draw(st.sampled_from(["a", "b", None]))
    if state >= 4:
        job["t_sched"] = draw(st.sampled_from([None, 1.0, 3.0]))
    if state >= 16:
        job["t_run"] = draw(st.sampled_from([None, 2.0, 4.0]))
        if job["t_run"] is not None:
            job["nodelist"], job["ranks"] = draw(st.sampled_from([("h0", "0"), ("h[1-3]", "[1-3]")]))
    if state == 64:
        job["t_inactive"] = float(draw(st.integers(0, 4)))
        job["result"] = draw(st.sampled_from((1, 2, 4, 8)))
    return job


@pytest.mark.rfc(
    43,
    "constraint",
    "op-userid",
    "op-name",
    "op-queue",
    "op-states",
    "op-results",
    "op-hostlist",
    "op-ranks",
    "op-times",
    "op-or",
    "op-and",
    "op-not",
)
@settings(max_examples=400)
@given(constraints, st.lists(jobs(), min_size=1, max_size=6))
def test_any_constraint(constraint, some):
    compiled = compile_constraint(constraint, Context())
    assert 0 <= compiled.may <= ALL_STATES
    assert compiled.cost >= 1
    for job in some:
        expected = evaluate(constraint, job)
        assert bool(compiled.matches(row(**job))) == expected
        if not compiled.may & job["state"]:
            assert not expected
        if compiled.must & job["state"]:
            assert expected


def test_masks_prune():
    def may(constraint):
        return compile_constraint(constraint, CONTEXT).may

    assert may({"states": ["run", "sched"]}) == 24
    assert may({"results": ["failed"]}) == 64
    assert may({"and": [{"userid": [1]}, {"states": ["inactive"]}]}) == 64
    assert may({"not": [{"states": ["inactive"]}]}) == ALL_STATES - 64
    assert may({"or": [{"states": ["run"]}, {"results": [1]}]}) == 80
    assert may({"t_run": [">1"]}) == 16 + 32 + 64
    assert POSITION["id"] == 0
