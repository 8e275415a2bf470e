# SPDX-License-Identifier: LGPL-3.0-or-later
"""Faults around the resource service: corrupt records, news and values that make no sense."""

import errno
import tracemalloc

import pytest

from rosin.rfc import eventlog
from rosin.testing import Instance

from .test_service import fails, four_nodes, module


async def test_corrupt_records_refuse_to_load(kvs, groups):
    for key in ("resource.R", "resource.eventlog", "checkpoint.resource"):
        kvs.data.clear()
        kvs.data[key] = b"{nonsense"
        async with Instance(modules=[kvs, groups]) as inst:
            with pytest.raises((OSError, ValueError), match=r"JSON|eventlog"):
                await inst.load("resource")


async def test_a_fault_is_recorded_once(kvs):
    config = {"resource": {"config": [{"hosts": "testhost", "cores": "0-4095"}]}}
    for _ in range(3):
        async with Instance(modules=[kvs, "resource"], config=config):
            pass
    names = [event.name for event in eventlog.decode(kvs.data["resource.eventlog"])]
    assert names.count("drain") == 1


async def test_the_end_of_group_news_is_logged(kvs, groups):
    async with four_nodes(kvs, groups) as inst:
        service = module(inst, "groups")
        for msg in service.watchers["broker.online"]:
            service.respond_error(msg, errno.EIO, "broken")
        await inst.settle()
        assert any("monitor: broker.online: broken" in line for line in inst.logged())


@pytest.mark.parametrize("news", [3, "x"])
async def test_news_of_a_group_that_make_no_sense_are_the_last(kvs, groups, news):
    async with four_nodes(kvs, groups) as inst:
        module(inst, "groups").set("broker.online", news)
        await inst.settle()
        (line,) = [line for line in inst.logged() if "monitor: broker.online: " in line]
        assert "availability stays as it is until resource is reloaded" in line


@pytest.mark.parametrize(
    ("topic", "field"),
    [("drain", "targets"), ("undrain", "targets"), ("monitor-force-down", "ranks")],
)
async def test_ranks_that_cannot_be_take_no_memory(kvs, groups, topic, field):
    async with four_nodes(kvs, groups) as inst:
        h = await inst.connect()
        errnum = errno.EINVAL if field == "targets" else errno.EPROTO
        texts = ["0-134217726", "4", "0-3,4", "0-134217726," * 800 + "0"]
        texts += ["node[0-1023]," * 900 + "x"] if field == "targets" else []
        for text in texts:
            tracemalloc.start()
            try:
                await fails(errnum, h.rpc(f"resource.{topic}", {field: text}))
                assert tracemalloc.get_traced_memory()[1] < 2 << 20
            finally:
                tracemalloc.stop()
        if topic != "undrain":
            await h.rpc(f"resource.{topic}", {field: "0,3"})


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"history": "x"}, "resource.history: expected a duration, such as \"10s\", got 'x'"),
        ({"journal-max": 0}, "resource.journal-max: expected 1 or more, got 0"),
        ({"path": "/no/such"}, "resource.path: /no/such: No such file"),
        ({"path": "/dev/null"}, "resource.path: /dev/null: not JSON"),
    ],
)
async def test_a_wrong_value_is_named_by_its_key(kvs, table, text):
    async with Instance(modules=[kvs, "resource"]) as inst:
        h = await inst.connect()
        error = await fails(errno.EINVAL, h.rpc("config.load", {"resource": table}))
        assert text in error
