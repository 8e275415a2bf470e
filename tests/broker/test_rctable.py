# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which module an instance has on which rank."""

import os

import pytest

from rosin.broker import attrtable, configcheck, rc, rctable
from rosin.broker.loader import MODULES
from rosin.broker.rctable import Load
from rosin.errors import FormatError
from rosin.testing import Instance


def test_each_row_is_a_module_that_can_be_found():
    assert {row.name for row in rctable.TABLE} <= set(MODULES)


def test_the_other_ranks_have_what_serves_their_clients_and_follows_rank_0():
    assert rctable.modules(1) == rctable.modules(7) == [
        "content", "kvs", "kvs-watch", "heartbeat", "groups", "barrier", "rexec", "resource", "job-info",
        "job-ingest",
    ]  # fmt: skip
    assert set(rctable.always()) <= set(rctable.modules(1)) < set(rctable.modules(0))


def test_an_attribute_names_the_backing_store():
    attrs = {"content.backing-module": "content-files"}
    assert [name for name in rctable.modules(0, attrs) if name not in rctable.modules(0)] == ["content-files"]
    assert rctable.modules(1, attrs) == rctable.modules(1)


async def test_another_rank_loads_its_own_and_notes_no_start(monkeypatch):
    """There is no KVS here that would take the note."""
    some = ("content", "heartbeat", "groups", "rexec", "job-manager")
    monkeypatch.setattr(rctable, "TABLE", [row for row in rctable.TABLE if row.name in some])
    async with Instance(["groups"], size=2) as root, Instance(rank=1, size=2, parent=root) as inst:
        h = inst.broker.modules["state-machine"].h
        await rc.rc1(inst.broker, h)
        assert [name for name in some if name in inst.broker.modules] == list(some[:-1])
        await rc.rc3(inst.broker, h)
        assert not set(some) & set(inst.broker.modules)
        assert not [line for line in inst.logged() if "rc3" in line]


# -- [modules] of the configuration -----------------------------------------------------------------


def loads(rank=0, **changes):
    """The modules that such a table adds or changes, and those that it takes away."""
    usual = rctable.loads(rank)
    changed = rctable.loads(rank, config={"modules": changes})
    return [load for load in changed if load not in usual], [load for load in usual if load not in changed]


def test_a_new_module_comes_last_in_the_order_of_the_table():
    new = {"b": {"module": "./b.py", "args": ["x=1"]}, "a": {}}
    expected = [Load("b", "./b.py", ["x=1"]), Load("a", "a", [])]
    assert loads(**new) == loads(1, **new) == (expected, [])
    assert rctable.loads(config={"modules": new})[-2:] == expected


def test_a_usual_module_keeps_its_place_and_its_ranks():
    names = rctable.modules()
    assert rctable.modules(config={"modules": {"job-list": {"module": "./mine.py"}}}) == names
    assert [load.name for load in rctable.loads()] == names == rctable.modules(0)
    assert loads(**{"job-list": {"module": "./mine.py"}}) == (
        [Load("job-list", "./mine.py", [])],
        [Load("job-list", "job-list", [])],
    )
    assert loads(1, **{"job-list": {"module": "./mine.py"}}) == ([], [])
    assert loads(**{"job-list": {"disabled": True}}) == ([], [Load("job-list", "job-list", [])])
    assert loads(**{"job-list": {"disabled": False}}) == ([], [])


def test_the_backing_store_keeps_the_name_that_the_attribute_gives():
    """What is said of a module is for that alone."""
    attrs = {"content.backing-module": "content-files"}
    for name, args in (("content-files", ["a"]), ("content-sqlite", [])):
        config = {"modules": {name: {"args": ["a"]}}}
        assert Load("content-files", "content-files", args) in rctable.loads(0, attrs, config)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("store", ["content-sqlite", "content-files"])
def test_a_table_that_changes_nothing_changes_nothing(rank, store):
    """So the short way and the rule of modprobe lead to the same."""
    attrs = {"content.backing-module": store}
    table = {"modules": {"kvs": {"priority": 100}, "alternatives": {"sched": "sched-simple"}}}
    assert rctable.loads(rank, attrs, table) == rctable.loads(rank, attrs)


def placed(**changes):
    """The modules by their places."""
    names = rctable.modules(config={"modules": changes})
    assert sorted(set(names)) == sorted(names)
    return names


@pytest.mark.parametrize(
    ("change", "first", "second"),
    [
        ({"mine": {"before": ["kvs"]}}, "mine", "kvs"),
        ({"mine": {"before": ["*"]}}, "mine", "content"),
        ({"mine": {"after": ["other"]}, "other": {}}, "other", "mine"),
        ({"mine": {}, "other": {"after": ["*"]}, "third": {}}, "third", "other"),
        ({"heartbeat": {"after": ["sched"]}}, "sched-simple", "heartbeat"),
        ({"mine": {"provides": ["s"]}, "heartbeat": {"after": ["s"]}}, "mine", "heartbeat"),
        ({"content": {"before": ["groups"]}, "groups": {"before": ["kvs"]}}, "groups", "kvs"),
    ],
)
def test_order(change, first, second):
    names = placed(**change)
    assert names.index(first) < names.index(second)


def test_what_a_module_provides_requires_and_needs():
    new = {"provides": ["sched"], "ranks": "0"}
    assert "sched-simple" in placed(mine=new)  # nobody else provides feasibility
    both = {**new, "provides": ["sched", "feasibility"]}
    assert "sched-simple" not in placed(mine=both)
    assert "mine" not in placed(mine={**both, "priority": 1})
    assert "sched-simple" in placed(mine={**both, "priority": 1})
    assert "mine" in placed(mine={"provides": ["s"], "priority": 1})  # nobody else does
    assert "sched-simple" not in placed(
        mine={**both, "priority": 1}, alternatives={"sched": "mine", "feasibility": "mine"}
    )
    assert "content-files" not in placed()
    assert "content-files" in placed(mine={"requires": ["content-files"]})
    assert "mine" not in placed(mine={"needs": ["job-list"]}, **{"job-list": {"disabled": True}})


@pytest.mark.parametrize("name", ["sched-fifo", "sched-backfill"])
@pytest.mark.parametrize("service", ["sched", "feasibility"])
def test_another_scheduler_is_one_for_both_services(name, service):
    schedulers = [other for other in placed(alternatives={service: name}) if other.startswith("sched")]
    assert schedulers == [name]
    assert [other for other in placed(**{"sched-simple": {"disabled": True}}) if "sched" in other] == [
        "sched-backfill"
    ]


def test_conditions_of_a_module(monkeypatch):
    config = {"a": {"b": 1}, "modules": {"mine": {"needs-config": ["a.b"], "needs-attrs": ["!x"]}}}
    assert "mine" in rctable.modules(config=config)
    assert "mine" not in rctable.modules(attrs={"x": "1"}, config=config)
    assert "mine" not in rctable.modules(config={**config, "a": {}})
    monkeypatch.setenv("ROSIN_TEST_MODULE", "")
    assert "mine" in placed(mine={"needs-env": ["ROSIN_TEST_MODULE"]})
    assert "mine" not in placed(mine={"needs-env": ["!ROSIN_TEST_MODULE"]})


def test_an_alternative_store_is_the_default_of_the_attribute():
    mine = {"provides": ["content-backing"], "after": ["content"], "ranks": "0"}
    config = {"modules": {"alternatives": {"content-backing": "mine"}, "mine": mine}}
    attrs = attrtable.defaults(config)
    assert attrs["content.backing-module"] == "mine"
    assert {"mine", "content-sqlite"} & set(rctable.modules(0, attrs, config)) == {"mine"}
    given = {**attrs, "content.backing-module": "content-files"}
    assert {"mine", "content-files"} & set(rctable.modules(0, given, config)) == {"content-files"}
    assert attrtable.defaults({"modules": {"alternatives": 1}})["content.backing-module"] == "content-sqlite"


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [("all", [0, 1, 2, 3]), ("0", [0]), ("1,3", [1, 3]), (">1", [2, 3]), ("<1", [0]), ("12", []), ("", [])],
)
def test_ranks_of_a_module(ranks, expected):
    assert [rank for rank in range(4) if loads(rank, mine={"ranks": ranks}) != ([], [])] == expected


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"mine": {"modul": "x"}}, "modules.mine.modul: unknown key; did you mean module?"),
        ({"mine": {"ranks": ">x"}}, "modules.mine.ranks: expected ranks, such as"),
        ({"mine": {"args": "x=1"}}, "modules.mine.args: expected an array, got 'x=1'"),
        ({"mine": {"args": [1]}}, "modules.mine.args: expected an array of strings"),
        ({"mine": "x"}, "modules.mine: expected a table, got 'x'"),
        ({"groups": {"disabled": True}}, "modules.groups.disabled: every broker needs this module"),
        ({"rexec": {"ranks": "0"}}, "modules.rexec.ranks: every broker needs this module"),
        ({"mine": {"after": "kvs"}}, "modules.mine.after: expected an array, got 'kvs'"),
        ({"mine": {"needs": [1]}}, "modules.mine.needs: expected an array of strings"),
        ({"mine": {"priority": "1"}}, "modules.mine.priority: expected an integer, got '1'"),
        ({"mine": {"requires": ["x"]}}, "modules: no such task or module x"),
        ({"alternatives": {"sched": 1}}, "modules.alternatives.sched: expected a string, got 1"),
        ({"alternatives": {"sched": "x"}}, "modules: no module x provides sched"),
        ({"alternatives": {"x": "kvs"}}, "modules: no such service x"),
        ({"kvs": {"after": ["job-list"]}}, "modules: tasks wait for each other: "),
        ({"x": {"after": ["*"], "before": ["kvs"]}}, "modules: x: cannot specify 'after=[\"*\"]' when"),
    ],
)
def test_what_is_refused(table, text):
    with pytest.raises(FormatError) as info:
        configcheck.check({"modules": table})
    assert str(info.value).startswith(text)


async def test_rc1_and_rc3_obey_the_table(monkeypatch, tmp_path):
    """A module of the user's own takes the place of one, under its name; another is new."""
    monkeypatch.setattr(
        rctable, "TABLE", [row for row in rctable.TABLE if row.name in ("heartbeat", "groups")]
    )

    async def no_kvs(*_args):
        pass

    monkeypatch.setattr(rc, "post_event", no_kvs)
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from rosin.broker.module import BrokerModule, request_handler\n"
        "class Mine(BrokerModule):\n"
        "    @request_handler('args')\n"
        "    def told(self, msg):\n"
        "        return {'name': self.name, 'args': self.args}\n"
    )
    table = {"heartbeat": {"module": str(mine)}, "new": {"module": str(mine), "args": ["a", "b"]}}
    async with Instance(config={"modules": table}) as inst:
        manager = inst.broker.modules["state-machine"].h
        await rc.rc1(inst.broker, manager)
        h = await inst.connect()
        assert (await h.rpc("heartbeat.args"))["args"] == []
        assert (await h.rpc("new.args"))["args"] == ["a", "b"]
        await rc.rc3(inst.broker, manager)
        assert not {"heartbeat", "new"} & set(inst.broker.modules)


async def test_a_start_says_which_module_is_not_there(monkeypatch):
    monkeypatch.setattr(rctable, "TABLE", ())
    async with Instance(config={"modules": {"mine": {"module": "./nosuch.py"}}}) as inst:
        with pytest.raises(FileNotFoundError, match=r"module mine: module not found: \./nosuch\.py"):
            await rc.rc1(inst.broker, inst.broker.modules["state-machine"].h)


async def test_a_module_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(rctable, "TABLE", [row for row in rctable.TABLE if row.name == "heartbeat"])

    async def no_kvs(*_args):
        pass

    monkeypatch.setattr(rc, "post_event", no_kvs)
    async with Instance(config={"modules": {"heartbeat": {"exec": True}}}, clock="real") as inst:
        await rc.rc1(inst.broker, inst.broker.modules["state-machine"].h)
        h = await inst.connect()
        mods = {mod["name"]: mod for mod in (await h.rpc("module.list"))["mods"]}
        assert mods["heartbeat"]["pid"] != mods["config"]["pid"] == os.getpid()
        assert (await h.rpc("heartbeat.ping", {"seq": 1}))["seq"] == 1
