# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43 as clients see it: which jobs a list has, in which order, and what it says of them."""

import errno
from typing import Any

import pytest

from rosin.constants import FLUX_ROLE_USER

from .test_rfc43 import ENCODINGS
from .test_service import SENTINEL, event, fails, more, setup, submit


def allocation(rank: int) -> dict[str, Any]:
    execution = {
        "R_lite": [{"rank": str(rank), "children": {"core": "0"}}],
        "nodelist": [f"n{rank}"],
        "starttime": 5,
        "expiration": 15,
    }
    return {"version": 1, "execution": execution}


def job(
    jobid: int, *events: dict[str, Any], R: dict[str, Any] | None = None, **system: Any
) -> dict[str, Any]:
    """A job with all that has happened to it; ``userid`` and attributes of its jobspec."""
    first = submit(jobid, userid=system.pop("userid", 7), t=float(jobid))
    first["jobspec"]["attributes"]["system"] = {"duration": 0, **system}
    return {**first, "events": [*first["events"], *events], **({"R": R} if R else {})}


def pending(priority: int, t: float = 2.0) -> list[dict[str, Any]]:
    return [event("validate", t), event("depend", t), event("priority", t, priority=priority)]


def running(t: float) -> list[dict[str, Any]]:
    return [*pending(16), event("alloc", t), event("start", t)]


def over(t: float, status: int) -> list[dict[str, Any]]:
    end = [event("finish", t, status=status), event("release", t, ranks="all", final=True)]
    return [*running(3.0), *end, event("free", t), event("clean", t)]


HISTORY = [
    job(1, *pending(16), queue="batch", job={"name": "a"}),
    job(2, *pending(20), userid=8, queue="small", job={"name": "b"}),
    job(3, *running(5.0), R=allocation(0)),
    job(4, *running(6.0), R=allocation(1), userid=8),
    job(5, *over(10.0, 0), R=allocation(0)),
    job(6, *over(11.0, 256), R=allocation(1)),
    job(7, *pending(16), event("exception", 12.0, type="cancel", severity=0, note=""), event("clean", 12.0)),
    SENTINEL,
]
CONFIG = {"queues": {"batch": {}, "small": {"parent": "batch"}}}
EVERYTHING = [2, 1, 4, 3, 7, 6, 5]


async def ids(h: Any, constraint: dict[str, Any], **more: Any) -> list[int]:
    request = {"max_entries": 0, "attrs": [], "constraint": constraint, **more}
    return [job["id"] for job in (await h.rpc("job-list.list", request))["jobs"]]


CONSTRAINTS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, EVERYTHING),
    ({"userid": [8]}, [2, 4]),
    ({"userid": [8, 7]}, EVERYTHING),
    ({"name": ["b", "c"]}, [2]),
    ({"queue": ["small"]}, [2]),
    ({"queue": ["batch"]}, [2, 1]),
    ({"states": ["run", 8]}, [2, 1, 4, 3]),
    ({"states": [96]}, [7, 6, 5]),
    ({"results": ["completed", 4]}, [7, 5]),
    ({"results": [2]}, [6]),
    ({"hostlist": ["n[1-9]"]}, [4, 6]),
    ({"ranks": ["0"]}, [3, 5]),
    ({"t_submit": [">=6"]}, [7, 6]),
    ({"t_submit": ["<2.0"]}, [1]),
    ({"t_run": [">5"]}, [4]),
    ({"t_inactive": ["<=11"]}, [6, 5]),
    ({"or": [{"userid": [8]}, {"results": ["failed"]}]}, [2, 4, 6]),
    ({"and": [{"userid": [8]}, {"states": ["running"]}]}, [4]),
    ({"not": [{"states": ["inactive"]}]}, [2, 1, 4, 3]),
    ({"not": [{"userid": [8]}, {"states": ["pending"]}]}, [1, 4, 3, 7, 6, 5]),
]


@pytest.mark.rfc(43, "constraint", "op-userid", "op-name", "op-queue", "op-states", "op-results")
@pytest.mark.rfc(43, "op-hostlist", "op-ranks", "op-times", "op-or", "op-and", "op-not")
@pytest.mark.rfc(43, "order-classes", "order-pending", "order-running", "order-inactive", "since")
async def test_which_jobs_are_listed_in_which_order() -> None:
    async with setup(HISTORY, CONFIG) as s:
        h = await s.inst.connect()
        assert [await ids(h, constraint) for constraint, _ in CONSTRAINTS] == [
            found for _, found in CONSTRAINTS
        ]
        assert await ids(h, {}, since=10.5) == [2, 1, 4, 3, 7, 6]
        assert await ids(h, {}, max_entries=3) == EVERYTHING[:3]


@pytest.mark.rfc(43, "op-times", "op-entries-limited", "op-states")
async def test_constraints_that_are_refused() -> None:
    many = [f"n{number}," * 1000 for number in range(3)]
    async with setup(HISTORY, CONFIG) as s:
        h = await s.inst.connect()
        for constraint in ({"t_run": ["5"]}, {"t_run": [">x"]}, {"states": ["walk"]}, {"hostlist": many}):
            await fails(
                h.rpc("job-list.list", {"max_entries": 0, "attrs": [], "constraint": constraint}),
                errno.EPROTO,
            )


async def test_a_constraint_that_is_no_object_is_refused_whoever_asks() -> None:
    async with setup(HISTORY, CONFIG) as s:
        h = await s.inst.connect()
        guest = await s.inst.connect(userid=77, rolemask=FLUX_ROLE_USER)
        for asker in (h, guest):
            request: dict[str, Any] = {"max_entries": 0, "attrs": []}
            for constraint in (None, [], 0, ""):
                await fails(asker.rpc("job-list.list", {**request, "constraint": constraint}), errno.EPROTO)
            await asker.rpc("job-list.list", request)
            await asker.rpc("job-list.list", {**request, "constraint": {}})


@pytest.mark.rfc(43, "attributes", "unset-omitted", "id-always")
async def test_what_is_said_of_jobs() -> None:
    kinds = {name: kind for kind, names in ENCODINGS.items() for name in names.split()}
    seen: dict[str, type] = {}
    failed = [*pending(16, 4.0), event("alloc", 5.0), event("start", 5.0)]
    failed += [
        event("exception", 6.0, type="timeout", severity=0, note="x"),
        event("finish", 7.0, status=36352),
    ]
    whole = [event("dependency-add", 2.5, description="begin-time=1"), event("memo", 2.6, note="x"), *failed]
    system = {"cwd": "/", "queue": "q", "project": "p", "bank": "b", "duration": 10, "job": {"name": "n"}}
    waiting = job(9, event("validate", 2.0), event("dependency-add", 2.0, description="x"), **system)
    done = job(8, event("validate", 2.0), *whole, event("clean", 8.0), R=allocation(0), **system)
    async with setup([done, waiting, SENTINEL]) as s:
        h = await s.inst.connect()
        answer = await h.rpc("job-list.list", {"max_entries": 0, "attrs": ["all"], "constraint": {}})
        for found in answer["jobs"]:
            seen.update({name: type(value) for name, value in found.items()})
            assert None not in found.values()
        assert {name: kind for name, kind in kinds.items() if name not in seen} == {}
        assert {name: seen[name] for name in kinds} == kinds
        (first,) = [found for found in answer["jobs"] if found["id"] == 9]
        assert {"t_run", "result", "ranks", "waitstatus", "expiration"} & first.keys() == set()
        named = await h.rpc("job-list.list", {"max_entries": 0, "attrs": ["t_run", "bank"], "constraint": {}})
        assert named["jobs"] == [{"id": 9, "bank": "b"}, {"id": 8, "t_run": 5.0, "bank": "b"}]


@pytest.mark.rfc(43, "first-times")
async def test_times_are_those_of_the_first_entry() -> None:
    held = [event("urgency", 4.0, userid=7, urgency=0), event("priority", 5.0, priority=0)]
    async with setup([job(1, *pending(16)), SENTINEL]) as s:
        await s.send(more(1, *held), more(1, event("urgency", 6.0, userid=7, urgency=9)))
        await s.send(more(1, event("priority", 7.0, priority=9)))
        h = await s.inst.connect()
        request = {"max_entries": 0, "attrs": ["t_priority", "t_sched", "priority"], "constraint": {}}
        (found,) = (await h.rpc("job-list.list", request))["jobs"]
        assert found == {"id": 1, "t_priority": 2.0, "t_sched": 2.0, "priority": 9}
