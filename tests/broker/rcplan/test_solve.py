# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which tasks run, and in which order: alternatives, conditions, requirements."""

import pytest

from rosin.broker.rcplan import solve
from rosin.broker.rcplan.table import TaskTable
from rosin.broker.rcplan.tasks import CodeTask, Module, RankSpec, task
from rosin.modprobe.dependencies import lines


class Broker:
    """What conditions ask."""

    def __init__(self, rank=0, attrs=(), config=(), env=()):
        self.rank = rank
        self.attr_get, self.conf_get, self.getenv = (dict(names).get for names in (attrs, config, env))


def table(*entries, context=None):
    result = TaskTable(context or Broker())
    for entry in entries:
        result.add(Module(entry) if isinstance(entry, dict) else entry)
    return result


def module(name, **settings):
    return {"name": name, **{key.replace("_", "-"): value for key, value in settings.items()}}


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [("all", [0, 99], []), ("0,2-3", [0, 2, 3], [1, 4]), (">1", [2, 9], [0, 1]), ("<1", [0], [1])],
)
def test_ranks(text, inside, outside):
    assert all(rank in RankSpec(text) for rank in inside)
    assert not any(rank in RankSpec(text) for rank in outside)


@pytest.mark.parametrize("text", ["x", ">", "> 1", "<-1", "1-"])
def test_what_are_no_ranks(text):
    with pytest.raises(ValueError, match='expected ranks, as in "0-3", "all" or ">0"'):
        RankSpec(text)


def test_the_best_alternative():
    tasks = table(
        module("one", provides=["s"]),
        module("two", provides=["s"]),
        module("low", provides=["s"], priority=9),
    )
    assert tasks.get("s").name == "two"
    tasks.set_alternative("s", "low")
    assert tasks.get("s").name == "low"
    tasks.get("low").disabled = True
    assert tasks.get("s").name == "two"
    tasks.disable("s")
    assert tasks.resolve("s") is None
    assert tasks.get("s").name == "low"  # somebody must be told of
    tasks.enable("one")
    assert tasks.resolve("s").name == "one"


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (lambda tasks: tasks.get("x"), "no such task or module x"),
        (lambda tasks: tasks.set_alternative("x", "one"), "no such service x"),
        (lambda tasks: tasks.set_alternative("s", "x"), "no module x provides s"),
        (lambda tasks: tasks.disable("x"), "no such module or task 'x'"),
        (lambda tasks: tasks.enable("x"), "no such module or task 'x'"),
    ],
)
def test_names_that_nobody_has(act, fault):
    with pytest.raises(ValueError, match=fault):
        act(table(module("one", provides=["s"])))


@pytest.mark.parametrize(
    ("settings", "enabled"),
    [
        ({}, True),
        ({"ranks": ">0"}, False),
        ({"disabled": True}, False),
        ({"needs_attrs": ["a"]}, True),
        ({"needs_attrs": ["!a"]}, False),
        ({"needs_config": ["a.b"]}, False),
        ({"needs_config": ["!a.b", "c"]}, True),
        ({"needs_env": ["E"]}, True),
        ({"needs_env": ["E", "!E"]}, False),
        ({"needs": ["there"]}, True),
        ({"needs": ["off"]}, False),
        ({"needs": ["needy"]}, False),
        ({"needs": ["nowhere"]}, False),
        ({"needs": ["x"]}, True),
    ],
)
def test_conditions(settings, enabled):
    context = Broker(attrs={"a": "1"}, config={"c": 1}, env={"E": ""})
    tasks = table(
        module("there"),
        module("off", disabled=True),
        module("needy", needs=["off"]),
        module("x", **settings),
        context=context,
    )
    assert (tasks.resolve("x") is not None) is enabled
    tasks.enable("x")
    assert tasks.resolve("x").name == "x"


def test_what_is_required_comes_along():
    tasks = table(
        module("a", requires=["b", "s"]),
        module("b", requires=["a"]),
        module("c", provides=["s"]),
        module("off", ranks="1", provides=["s"]),
        module("d", requires=["e"], disabled=True),
        module("e"),
    )
    assert solve.required(tasks, ["a"]) == ["a", "b", "c"]
    assert solve.required(tasks, ["d"]) == []
    assert solve.required(tasks, ["d"], always=True) == ["d", "e"]
    with pytest.raises(ValueError, match="no such task or module x"):
        solve.required(tasks, ["x"])


def test_order():
    tasks = table(
        module("a"),
        module("b", after=["s", "nowhere"]),
        module("c", provides=["s"], before=["a"]),
        CodeTask("first", print, before=["*"]),
        CodeTask("last", print, after=["*"]),
        CodeTask("end", print, after=["*"]),
    )
    assert solve.order(tasks, ["a", "b", "c"]) == {"a": ["c"], "b": ["c"], "c": []}
    assert solve.order(tasks, ["a", "b"]) == {"a": [], "b": []}
    assert solve.order(tasks, ["a", "first", "last", "end"]) == {
        "a": ["first"],
        "first": [],
        "last": ["first", "a"],
        "end": ["first", "a"],
    }


def test_removal():
    needs = {"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": {"c"}}
    assert solve.removable(needs, ["a"]) == ["a", "b"]
    assert solve.removable(needs, ["a", "d"]) == ["a", "d", "b", "c"]
    with pytest.raises(ValueError, match="c still in use by b, d"):
        solve.removable(needs, ["a", "c"])


def test_a_removed_module_goes_in_the_reverse_order():
    tasks = table(module("a"), module("b", after=["a"], requires=["a"]))
    for name in "ab":
        tasks.get(name).set_remove()
    assert solve.order(tasks, ["a", "b"]) == {"a": ["b"], "b": []}


def test_a_tree_of_requirements():
    tasks = table(
        module("x", provides=["s"], requires=["a", "b"]),
        module("a", requires=["b", "c"]),
        module("b", requires=["c"]),
        module("c", requires=["s"]),
    )
    assert lines(tasks, "s") == ["s (x)", "├── a", "│   └── c", "└── b"]
    full = ["s (x)", "├── a", "│   ├── b", "│   │   └── c", "│   └── c", "└── b", "    └── c"]
    assert lines(tasks, "s", full=True) == full


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"bad": 1}, "t: unknown task argument bad: expected ranks, "),
        ({"ranks": 1}, "t: ranks: expected a text, got 1"),
        ({"after": "kvs"}, "t: after: expected an array of names, as in"),
        ({"needs": [1]}, "t: needs: expected an array of names"),
        ({"priority": "x"}, "t: priority: expected a number"),
        ({"disabled": 1}, "t: disabled: expected true or false"),
        (
            {"after": ["*"], "before": ["x"]},
            r"t: cannot specify 'after=\[\"\*\"\]' when 'before' is also set",
        ),
    ],
)
def test_settings_that_a_task_cannot_have(settings, fault):
    with pytest.raises(ValueError, match=fault):
        task("t", **settings)(print)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({}, "Missing required config key 'name'"),
        ({"name": "x", "bar": 1}, "invalid config key bar: expected name, module"),
        ({"name": "x", "args": "a"}, "x: args: expected list, got 'a'"),
        ({"name": "x", "needs-env": "a"}, "x: needs_env: expected an array of names"),
    ],
)
def test_entries_that_a_module_cannot_have(entry, fault):
    with pytest.raises(ValueError, match=fault):
        Module(entry)
