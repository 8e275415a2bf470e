# SPDX-License-Identifier: LGPL-3.0-or-later
"""The writer of resource events: no exception keeps a later event back."""

import asyncio

import pytest

from rosin.modules.resource.writer import EventWriter

EVENT = {"timestamp": 1.0, "name": "drain", "context": {}}


async def test_failures_of_the_commit_and_of_a_listener_are_told_and_the_next_event_is_written():
    tasks, committed, delivered = set(), [], []
    faults = [MemoryError("commit"), None, None, None]

    async def commit(ops):
        committed.append(ops)
        fault = faults.pop(0)
        if fault is not None:
            raise fault

    def deliver(event):
        delivered.append(event)
        if len(delivered) == 1:
            raise KeyError("listener")

    writer = EventWriter(commit, deliver, lambda coro: tasks.add(asyncio.ensure_future(coro)))
    with pytest.raises(MemoryError, match="commit"):
        await writer.keep(EVENT)
    with pytest.raises(KeyError, match="listener"):
        await writer.keep(EVENT)
    await writer.keep(EVENT)
    writer.note(EVENT)
    assert len(committed) == 3
    assert len(delivered) == 3
