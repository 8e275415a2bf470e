# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a scheduler says to messages and settings that it cannot take."""

import errno

import pytest

from rosin.errors import FormatError

from ...resource.allocator.resources import like_nodes

GOOD = {"id": 1, "priority": 16, "userid": 1, "t_submit": 1.0}


@pytest.mark.parametrize(
    ("topic", "payload", "text"),
    [
        ("sched.alloc", {**GOOD, "jobspec": 3}, "sched.alloc: field 'jobspec': expected an object, got 3"),
        ("sched.alloc", {**GOOD, "priority": -1, "jobspec": {}}, "sched.alloc: field 'priority'"),
        ("sched.alloc", [], "sched.alloc: payload must be a JSON object"),
        ("sched.cancel", {"id": "1"}, "sched.cancel: field 'id'"),
        ("sched.free", {"id": 1}, "sched.free: missing field 'R'"),
        ("sched.free", {"id": 1, "R": {}}, "R: missing or malformed element"),
        ("sched.prioritize", {"jobs": [[1, 2], [3]]}, r"jobs\[1\]: expected \[id, priority\], got an array"),
        ("sched.prioritize", {"jobs": [[1, 2**32]]}, "expected 0 to 4294967295"),
    ],
)
async def test_messages(world, topic, payload, text):
    async with world() as w:
        with pytest.raises(OSError, match=text) as info:
            await w.h.rpc(topic, payload)
        assert info.value.errno == errno.EPROTO


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (3, "sched-simple: expected a table, got 3"),
        ({"queue-depth": 0}, "sched-simple.queue-depth: expected a number of 1 or more, or unlimited, got 0"),
        ({"test-hello-nopartial": True}, "sched-simple.test-hello-nopartial: unknown key"),
    ],
)
async def test_tables(world, table, text):
    async with world() as w:
        with pytest.raises(FormatError, match=text):
            w.module.reconfigure({"sched-simple": table})


@pytest.mark.parametrize(
    ("first", "text"),
    [
        ({}, "resources is missing"),
        ({"resources": {}, "up": "0"}, "resources: R: version is missing"),
        ({"resources": like_nodes(1, 4), "up": "0-7"}, "up: ranks 1-7 are not among the resources"),
    ],
)
async def test_resources_that_cannot_be_read(world, first, text):
    w = world()
    w._first = first
    with pytest.raises(FormatError, match=f"acquire: {text}"):
        await w.__aenter__()
