# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 44: the log of resources, as it is stored and as the journal tells it."""

import errno

import pytest

from rosin.errors import FormatError
from rosin.rfc import eventlog
from rosin.testing import Instance

from .test_service import FOUR, fails, first, four_nodes, module


@pytest.mark.rfc(44, "journal-request", "journal-events", "sentinel", "journal-R", "cancel")
async def test_journal(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        await h.rpc("resource.drain", {"targets": "0", "reason": "x"})
        rpc, stream, responses = await first(h, "resource.journal", 4, {})
        names = [[event["name"] for event in response["events"]] for response in responses]
        assert names == [["restart"], ["resource-define"], ["drain"], []]
        assert "R" in responses[1]
        assert responses[0]["events"][0]["context"] == {
            "ranks": "0-3",
            "online": "",
            "nodelist": "node[0-3]",
        }
        module(inst, "groups").set("broker.online", "2")
        (event,) = (await anext(stream))["events"]
        assert (event["name"], event["context"]) == ("online", {"idset": "2"})
        rpc.cancel("resource.journal-cancel")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert not module(inst, "resource").listeners._consumers
        await fails(errno.EPROTO, h.rpc("resource.journal", {}))


@pytest.mark.rfc(44, "truncate", "truncate-never-kept", "truncate-no-context", "kept", "ranks-events")
async def test_a_short_journal(kvs, groups):
    async with four_nodes(kvs, groups, **{"journal-max": 3}) as inst:
        h = await inst.connect()
        for members in ("0-1", "2", ""):
            module(inst, "groups").set("broker.online", members)
        for target in ("0", "1"):
            await h.rpc("resource.drain", {"targets": target, "reason": "x"})
        await h.rpc("resource.undrain", {"targets": "0"})
        _, _, responses = await first(h, "resource.journal", 2, {})
        truncate, *newest = responses[0]["events"]
        assert (truncate["name"], sorted(truncate)) == ("truncate", ["name", "timestamp"])
        assert [event["name"] for event in newest] == ["drain", "undrain"]
        stored = eventlog.decode_entries(kvs.data["resource.eventlog"])
        assert [event["name"] for event in stored] == ["resource-define", "drain", "drain", "undrain"]
        assert truncate["timestamp"] == stored[1]["timestamp"]
        assert newest == stored[2:]


async def test_a_broken_record_keeps_the_service_from_starting(kvs, groups):
    record = {"timestamp": 1.0, "name": "drain", "context": {"idset": "0", "overwrite": 0}}
    kvs.data["resource.eventlog"] = eventlog.encode_entry(record).encode()
    async with Instance(modules=[kvs, groups], config={"resource": FOUR}) as inst:
        with pytest.raises(
            FormatError, match=r"^resource.eventlog: event 1: drain: missing field 'nodelist'"
        ):
            await inst.load("resource")


async def test_old_events_are_dropped_once_they_are_in_the_checkpoint(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        for _ in range(5):
            await h.rpc("resource.drain", {"targets": "0", "reason": "x"})
            await h.rpc("resource.undrain", {"targets": "0"})
        await h.rpc("resource.drain", {"targets": "1", "reason": "x"})
        await inst.advance(100.0)
    events = eventlog.decode(kvs.data["resource.eventlog"])
    aged = [eventlog.encode(event.name, event.context, event.timestamp - 1000.0) for event in events]
    kvs.data["resource.eventlog"] = "".join(aged).encode()
    for history, left in (("1h", 13), ("60s", 2)):  # with that of this start, and the last one always
        async with four_nodes(kvs, groups, history=history) as inst:
            h = await inst.connect()
            assert (await h.rpc("resource.status"))["drain"].keys() == {"1"}
            log = eventlog.decode(kvs.data["resource.eventlog"])
            assert len(log) == left
        kvs.data["resource.eventlog"] = "".join(aged).encode()


YEARS = 40 * 365 * 86400.0


@pytest.mark.parametrize("steps", [(YEARS, 0.0, 0.0), (0.0, -YEARS, YEARS), (0.0, 0.0, -YEARS)])
async def test_drained_ranks_survive_steps_of_the_clock_and_a_crash(kvs, groups, steps):
    """Steps before the first stop, before a drain and before the last start."""
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        await h.rpc("resource.drain", {"targets": "0", "reason": "first"})
        inst.clock.set_wall(steps[0])
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        inst.clock.set_wall(steps[1])
        await h.rpc("resource.drain", {"targets": "1", "reason": "second"})
        await h.rpc("resource.undrain", {"targets": "0"})
        crashed = dict(kvs.data)
    kvs.data.clear()
    kvs.data.update(crashed)
    async with four_nodes(kvs, groups) as inst:
        inst.clock.set_wall(steps[2])
        h = await inst.connect()
        drained = (await h.rpc("resource.status"))["drain"]
        assert {ranks: entry["reason"] for ranks, entry in drained.items()} == {"1": "second"}
