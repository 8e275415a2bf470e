# SPDX-License-Identifier: LGPL-3.0-or-later
"""The mirror of the journal, the ring and the decoding of output, without an instance."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rosin.rest.bell import Bell
from rosin.rest.mirror import Mirror
from rosin.rest.output import OutputChunk, lines

SPEC = {
    "version": 1,
    "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
    "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}


def submit(jobid: int, time: float = 1.0) -> dict:
    context = {"userid": 0, "urgency": 16, "flags": 0, "version": 1}
    event = {"timestamp": time, "name": "submit", "context": context}
    return {"id": jobid, "events": [event, {"timestamp": time, "name": "validate"}], "jobspec": SPEC}


SENTINEL = {"id": -1, "events": []}


def ids(mirror: Mirror, before: int | None = None) -> list[int]:
    return [row[0] for row in mirror.newest(before)]


def test_history_comes_in_any_order_and_is_listed_newest_first():
    mirror = Mirror()
    for jobid in (5, 1, 9, 3):
        mirror.take(submit(jobid))
    assert not mirror.ready
    mirror.take(SENTINEL)
    assert mirror.ready
    assert mirror.end == 0  # history is no news
    assert ids(mirror) == [9, 5, 3, 1]
    mirror.take(submit(12))
    mirror.take(submit(7))
    assert ids(mirror) == [12, 9, 7, 5, 3, 1]
    assert ids(mirror, before=7) == [5, 3, 1]
    assert [entry.event["name"] for entry in mirror.since(0)] == ["submit", "validate"] * 2


def test_a_reader_that_is_too_late_is_told():
    mirror = Mirror(ring=4)
    mirror.take(SENTINEL)
    for jobid in range(1, 5):
        mirror.take(submit(jobid))
    assert mirror.end == 8
    assert mirror.since(0) is None
    assert mirror.since(3) is None
    assert [entry.jobid for entry in mirror.since(4)] == [3, 3, 4, 4]
    assert len(mirror.since(4, most=3)) == 3
    assert mirror.since(8) == []
    assert mirror.since(9) is None


def test_a_broken_event_does_not_stop_the_others():
    mirror = Mirror()
    mirror.take(SENTINEL)
    mirror.take({"id": 1, "events": [{"timestamp": 1.0, "name": "alloc"}]})  # no submit event
    mirror.take(submit(2))
    assert mirror.faults == 1
    assert ids(mirror) == [2]


async def test_bell_wakes_all_and_forgets_those_who_leave():
    bell = Bell()
    waiters = [asyncio.create_task(bell.wait(30)) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.gather(waiters[0], return_exceptions=True)
    assert len(bell._waiters) == 2
    bell.ring()
    assert await asyncio.gather(*waiters[1:]) == [True, True]
    assert await bell.wait(0) is False
    assert not bell._waiters


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_lines_do_not_depend_on_the_chunks(data, cuts):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    chunks = [OutputChunk("stdout", "0", piece, 0.0) for piece in pieces if piece]
    found = [line for _, line in lines(chunks)]
    assert b"".join(found) == data
    assert all(line.endswith(b"\n") for line in found[:-1])
    assert all(line.count(b"\n") <= 1 for line in found)


def test_lines_of_two_tasks_are_not_mixed():
    chunks = [
        OutputChunk("stdout", "0", b"a", 0.0),
        OutputChunk("stdout", "1", b"b\n", 0.0),
        OutputChunk("stderr", "0", b"e\n", 0.0),
        OutputChunk("stdout", "0", b"A\n", 0.0),
    ]
    assert [line for _, line in lines(chunks)] == [b"b\n", b"e\n", b"aA\n"]
