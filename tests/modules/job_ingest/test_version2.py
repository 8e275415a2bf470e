# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs that ask for more than RFC 25 has: which an instance takes, by docs/reference/jobspec-v2.md."""

import pytest

from rosin.rfc.shape import parse as shape
from rosin.testing.instance import Instance

from .test_ingest import Kvs, Manager, submit


def asking(text, version=2, count=None, **task):
    """A job of this shape (RFC 46)."""
    return {
        "version": version,
        "resources": shape(text, "task", range_strings=version == 1),
        "tasks": [{"command": ["true"], "slot": "task", "count": count or {"per_slot": 1}, **task}],
        "attributes": {"system": {"duration": 0.0}},
    }


def instance(config=None):
    return Instance([Kvs, Manager, "job-ingest"], config=config)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "text",
    [
        "slot/core",
        "slot=1-8:2:*/core=2",
        "slot=4,9,16/core",
        "slot=2+/[core=2;gpu]",
        "node=2-4/slot=2/core",
        "[slot/core;matlab=2]",
        "node/[slot=2/[core;matlab];scratch=10{unit:GB}]",
        "rack=2/node=3/slot/core",
        "node{x}/slot/core",
    ],
)
async def test_what_is_taken(text, version):
    """flux-core's commands write version 1 whatever the resources are."""
    async with instance() as inst:
        h = await inst.connect()
        await submit(h, asking(text, version))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "slot/socket/core",
            "resources[0].with[0].type: socket has no place here: version 2 runs with racks",
        ),
        ("slot/node/core", "resources[0].with[0].type: node has no place here"),
        ("node/socket/slot/core", "resources[0].with[0].type: socket has no place here"),
        ("rack/slot/core", "resources[0].with[0].type: slot has no place here"),
        ("[slot/core;gpu]", "resources[1].type: gpu has no place here"),
        ("[slot/core;node]", "resources[1].type: node has no place here"),
        ("[slot/core;slot{b}/core]", "resources[1]: expected one slot"),
        ("slot/gpu", "resources: expected one vertex of cores, in the slot"),
        ("slot/[core;core]", "resources: expected one vertex of cores, in the slot"),
        ("slot/core{id:3}", "resources[0].with[0].id: "),
    ],
)
async def test_what_is_refused(text, problem):
    spec = asking(text.replace("[slot/", "[slot{task}/") if "{b}" in text else text)
    async with instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError) as caught:
            await submit(h, spec)
        assert caught.value.strerror.startswith(f"jobspec: {problem}")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"count": {"per_resource": {"type": "core", "count": 1}}},
            "tasks[0].count: expected per_slot or total",
        ),
        ({"distribution": "x"}, "tasks[0].distribution: no job shell reads it"),
        ({"attributes": {"environment": {}}}, "tasks[0].attributes: no job shell reads it"),
        ({"slot": "other"}, "tasks[0].slot: "),
    ],
)
async def test_tasks_that_no_shell_runs(change, problem):
    async with instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError) as caught:
            await submit(h, asking("slot=1-2/core", **change))
        assert caught.value.strerror.startswith(f"jobspec: {problem}")


async def test_several_tasks():
    spec = asking("slot=1-2/core")
    async with instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match="jobspec: tasks: expected one task"):
            await submit(h, {**spec, "tasks": spec["tasks"] * 2})


async def test_the_fault_of_a_version_1_jobspec_is_that_of_rfc_25():
    async with instance() as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match="expected core or gpu inside a slot in version 1, got 'socket'"):
            await submit(h, asking("slot/socket/core", 1))
        with pytest.raises(OSError, match="jobspec: version: expected 1, got 3"):
            await submit(h, asking("slot/core", 3))
        with pytest.raises(OSError, match="jobspec: version: expected 1, got true"):
            await submit(h, asking("slot/core", True))


@pytest.mark.parametrize("how", ["table", "argument"])
async def test_version_1_can_be_required(how):
    table = {"ingest": {"validator": {"args": ["--require-version=1"]}}} if how == "table" else None
    args = ["validator-args=--require-version=1"] if how == "argument" else []
    async with Instance([Kvs, Manager], config=table) as inst:
        h = await inst.connect()
        await inst.load("job-ingest", args)
        await submit(h, asking("slot/core", 1))
        with pytest.raises(OSError, match="expected 1, got 2"):
            await submit(h, asking("slot/core"))
        with pytest.raises(OSError, match="expected an integer >= 1, got '1-2'"):
            await submit(h, asking("slot=1-2/core", 1))
