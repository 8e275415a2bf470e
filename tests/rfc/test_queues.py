# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: the tables, what is refused and where, what holds for a job."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.queues import QueueConfig, asked_of_nodes, constrained, is_started
from rosin.rfc.queues.policy import UNLIMITED, QueuePolicy
from rosin.rfc.rset import ResourceSet

FULL = """
[policy.jobspec.defaults.system]
duration = "1h"
queue = "batch"
[policy.limits]
duration = "1d"
job-size.max = { nnodes = 10, ncores = 100, ngpus = 4 }
job-size.min.nnodes = 1
[policy.access]
allow-user = ["alice"]
[policy.scheduler]
anything = [1, { x = 2 }]

[queues.batch]
hosts = "n[0-1]"
[queues.batch.policy]
limits.duration = "infinity"
limits.job-size.max.nnodes = -1
access.allow-group = ["staff"]
jobspec.defaults.system.duration = "30m"
scheduler = "mine"
[queues.short]
parent = "batch"
policy.limits.duration = "10m"
policy.jobspec.defaults.system.duration = "5m"
policy.access.allow-user = ["bob"]
[queues.debug]
requires = ["dbg", "fast"]
[queues.all]
hosts = "all"
[queues.free]
"""


def full() -> QueueConfig:
    return QueueConfig(tomllib.loads(FULL))


def resources() -> ResourceSet:
    rset = ResourceSet()
    for rank in range(4):
        rset.add_rank(rank, f"n{rank}", 0b11)
    return rset


@pytest.mark.rfc(33, "override", "defaults", "limits", "scheduler-opaque", "virtual-inherits")
def test_policies_of_queues():
    config = full()
    assert config.default == "batch"
    assert config.policy.limits == {
        ("max", "nnodes"): 10,
        ("max", "ncores"): 100,
        ("max", "ngpus"): 4,
        ("min", "nnodes"): 1,
        ("duration", ""): 86400.0,
    }
    batch, short = config.effective("batch"), config.effective("short")
    assert batch.limits["max", "nnodes"] == UNLIMITED
    assert batch.limits["duration", ""] == 0.0  # infinite
    assert batch.defaults == {"duration": 1800.0, "queue": "batch"}
    assert batch.scheduler == "mine"
    assert short.limits == {**batch.limits, ("duration", ""): 600.0}
    assert short.defaults == {"duration": 300.0, "queue": "batch"}
    assert short.scheduler == "mine"
    for name in (None, "debug", "free", "no such queue"):
        policy = config.effective(name)
        assert policy.limits == config.policy.limits
        assert policy.defaults == {"duration": 3600.0, "queue": "batch"}
        assert policy.scheduler == {"anything": [1, {"x": 2}]}


@pytest.mark.rfc(33, "access", "access-form")
@pytest.mark.parametrize(
    ("queue", "user", "groups", "admitted"),
    [
        ("debug", "alice", [], True),
        ("debug", "bob", ["staff"], False),
        ("batch", "alice", [], True),
        ("batch", "bob", ["users", "staff"], True),
        ("batch", "bob", ["users"], False),
        ("short", "bob", [], True),
        ("short", "alice", [], False),
        ("short", "carol", ["staff"], True),
    ],
)
def test_access(queue, user, groups, admitted):
    assert full().effective(queue).admits(user, groups) is admitted
    assert QueueConfig({}).policy.admits(user, groups)
    assert not QueuePolicy.decode({"access": {"allow-user": []}}).admits(user, groups)


@pytest.mark.rfc(33, "hosts", "requires", "covers-all", "virtual-membership", "hosts-unknown")
def test_properties_of_queues():
    config = full()
    wanted = {name: config.required(name) for name in [*config.queues, None, "nope"]}
    assert wanted == {
        "batch": ["+batch"],
        "short": ["+batch"],
        "debug": ["dbg", "fast"],
        "all": ["+all"],
        "free": [],
        None: [],
        "nope": [],
    }
    rset = resources()
    config.apply_memberships(rset)
    assert rset.get_properties() == {"+all": "0-3", "+batch": "0-1"}
    rset.drop_local_properties()
    assert rset.get_properties() == {}
    with pytest.raises(FormatError, match=r"queues.batch.hosts: host 'n\d' not found"):
        config.apply_memberships(rset.copy_ranks("2-3"))
    with pytest.raises(FormatError, match=r"queues.all.hosts: there is no such resource"):
        config.queues["all"].members(ResourceSet())
    assert config.queues["free"].members(rset) == Idset("0-3")


@pytest.mark.rfc(33, "anonymous", "default-of-many", "virtual-default")
def test_the_default_queue():
    assert full().default == "batch"
    assert (QueueConfig({}).default, list(QueueConfig({}).queues)) == (None, [])
    assert QueueConfig({}).effective(None).limits == {}
    two: dict[str, Any] = {"queues": {"a": {}, "b": {"parent": "a"}}}
    assert QueueConfig(two).default is None
    two["policy"] = {"jobspec": {"defaults": {"system": {"queue": "b"}}}}
    assert QueueConfig(two).default == "b"


@pytest.mark.rfc(33, "requires")
@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, {"properties": ["q"]}),
        ({}, {"properties": ["q"]}),
        ({"properties": ["x"]}, {"properties": ["x", "q"]}),
        ({"or": [{"ranks": ["0"]}]}, {"and": [{"or": [{"ranks": ["0"]}]}, {"properties": ["q"]}]}),
        (
            {"properties": ["x"], "hostlist": ["a"]},
            {"and": [{"properties": ["x"], "hostlist": ["a"]}, {"properties": ["q"]}]},
        ),
    ],
)
def test_constraints(own, expected):
    assert constrained(own, ["q"]) == expected


@pytest.mark.rfc(33, "own-state", "blocked")
@pytest.mark.rfc_vectors(33)
@pytest.mark.parametrize(
    "status",
    [
        {
            "enable": True,
            "start": False,
            "blocked": "parent",
            "parent": "batch",
            "stop_reason": "parent queue 'batch' is stopped",
        },
        {"enable": True, "start": True},
    ],
)
def test_a_blocked_queue_is_started(status):
    assert is_started(status)
    assert is_started({"enable": True, "start": True})
    assert not is_started({"enable": True, "start": False})
    assert is_started({"enable": True, "start": False, "blocked": "something new"})


@pytest.mark.rfc(33, "hosts-or-requires", "parent", "virtual-must-not", "hosts-unknown")
@pytest.mark.rfc_vectors(33)
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("queues.a = {hosts = 'n0', requires = ['x']}", "queues.a: requires and hosts cannot both be set"),
        (
            "queues = {a = {}, b = {parent = 'a'}, c = {parent = 'b'}}",
            "queues.c.parent: parent queue 'b' is itself a virtual queue",
        ),
        (
            "queues = {a = {}, b = {parent = 'a', requires = ['x']}}",
            "queues.b.requires: a virtual queue has that of its parent",
        ),
        ("queues.a.hosts = 'n[0-1],unknown'", "queues.a.hosts: host 'unknown' not found"),
    ],
)
def test_configurations_to_refuse(text, fault):
    with pytest.raises(FormatError, match=fault):
        QueueConfig(tomllib.loads(text)).apply_memberships(resources())


@pytest.mark.rfc(33, "default-of-many")
@pytest.mark.rfc_vectors(33)
def test_several_queues_need_no_default():
    config = QueueConfig({"queues": {"a": {}, "b": {}}})
    assert (config.default, list(config.queues)) == (None, ["a", "b"])


FAULTS: list[tuple[str, str]] = [
    ("policy = 1", "policy: must be a table, got 1"),
    ("policy.x = 1", r"policy.x: unknown key \(known: jobspec, limits, access, scheduler"),
    ("policy.jobspec.x = 1", r"policy.jobspec.x: unknown key \(known: defaults"),
    ("policy.jobspec.defaults.x = 1", r"policy.jobspec.defaults.x: unknown key \(known: system"),
    ("policy.jobspec.defaults.system.x = 1", "policy.jobspec.defaults.system.x: unknown key"),
    ("policy.jobspec.defaults.system.duration = 1", "system.duration: must be a string, got 1"),
    ("policy.jobspec.defaults.system.duration = '1x'", "policy.jobspec.defaults.system.duration: fsd: "),
    ("policy.jobspec.defaults.system.queue = 1", "system.queue: must be a string, got 1"),
    ("policy.jobspec.defaults.system.queue = 'q'", "system.queue: 'q' is not a configured queue"),
    ("policy.limits.x = 1", r"policy.limits.x: unknown key \(known: job-size, duration"),
    ("policy.limits.duration = 60", "policy.limits.duration: must be a string, got 60"),
    ("policy.limits.job-size.x = 1", r"policy.limits.job-size.x: unknown key \(known: max, min"),
    ("policy.limits.job-size.max = 1", "policy.limits.job-size.max: must be a table, got 1"),
    ("policy.limits.job-size.max.x = 1", r"job-size.max.x: unknown key \(known: nnodes, ncores, ngpus"),
    ("policy.limits.job-size.max.nnodes = 'x'", "max.nnodes: expected an integer, .* got 'x'"),
    ("policy.limits.job-size.max.nnodes = true", "max.nnodes: expected an integer, .* got true"),
    ("policy.limits.job-size.min.ngpus = -2", "min.ngpus: expected an integer, .* got -2"),
    ("policy.limits.job-size.min.ngpus = 2147483648", "min.ngpus: expected an integer"),
    ("policy.access.x = 1", r"policy.access.x: unknown key \(known: allow-user, allow-group"),
    ("policy.access.allow-user = 'x'", "policy.access.allow-user: must be an array of strings, got 'x'"),
    ("policy.access.allow-group = ['x', 1]", r"policy.access.allow-group\[1\]: must be a string, got 1"),
    ("queues = []", "queues: must be a table, got an array"),
    ("queues.a = 1", "queues.a: must be a table, got 1"),
    ("queues.a.x = 1", r"queues.a.x: unknown key \(known: policy, requires, hosts, parent"),
    ("queues.a.policy = 1", "queues.a.policy: must be a table"),
    ("queues.a.policy.limits.duration = 'x'", "queues.a.policy.limits.duration: fsd: "),
    (
        "queues.a.policy.jobspec.defaults.system.queue = 'a'",
        "queues.a.policy.jobspec.defaults.system.queue: a queue cannot tell the default queue",
    ),
    ("queues.a.requires = 'x'", "queues.a.requires: must be an array of strings, got 'x'"),
    ("queues.a.requires = ['x', 1]", r"queues.a.requires\[1\]: must be a string, got 1"),
    ("queues.a.requires = ['x y']", r"queues.a.requires\[0\]: blank in property 'x y'"),
    ("queues.a.requires = ['x|y']", r"queues.a.requires\[0\]: invalid character '\|'"),
    ("queues.a.hosts = 1", "queues.a.hosts: must be a string, got 1"),
    ("queues.a.hosts = ''", "queues.a.hosts: there is no host"),
    ("queues.a.hosts = 'n['", "queues.a.hosts: hostlist: "),
    ("queues.'a|b'.hosts = 'n'", r"queues.a\|b.hosts: invalid character"),
    ("queues.a = {hosts = 'n', requires = []}", "queues.a: requires and hosts cannot both be set"),
    ("queues.a.parent = 1", "queues.a.parent: must be a string, got 1"),
    ("queues.a.parent = 'a'", "queues.a.parent: parent queue is itself"),
    ("queues.a.parent = 'b'", "queues.a.parent: parent queue 'b' is not configured"),
    (
        "queues = {a = {}, b = {parent = 'a'}, c = {parent = 'b'}}",
        "queues.c.parent: parent queue 'b' is itself a virtual queue",
    ),
    ("queues = {a = {}, b = {parent = 'a', requires = []}}", "queues.b.requires: a virtual queue has that"),
    ("queues = {a = {}, b = {parent = 'a', hosts = 'n'}}", "queues.b.hosts: a virtual queue has that"),
    (
        "queues = {a = {}, b = {parent = 'a', policy.scheduler = {}}}",
        "queues.b.policy.scheduler: a virtual queue has that of its parent",
    ),
]


@pytest.mark.rfc(
    33, "parent", "virtual-must-not", "hosts-or-requires", "hosts-unknown", "limits", "access-form"
)
@pytest.mark.parametrize(("text", "fault"), FAULTS, ids=[text for text, _ in FAULTS])
def test_faults_have_a_place(text, fault):
    with pytest.raises(FormatError, match=f"^.*{fault}"):
        QueueConfig(tomllib.loads(text))


table_keys = st.sampled_from(
    [
        "policy",
        "queues",
        "a",
        "parent",
        "hosts",
        "requires",
        "limits",
        "duration",
        "job-size",
        "max",
        "nnodes",
    ]
)
values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text("a1hn[,\n", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(table_keys, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["policy", "queues"]), values) | st.dictionaries(table_keys, values))
def test_any_input(config):
    fault = ""
    try:
        QueueConfig(config)
    except FormatError as error:
        fault = str(error)
    assert "\n" not in fault


durations = st.sampled_from(["1m", "2h", "inf"])
policies = st.fixed_dictionaries(
    {},
    optional={
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "duration": durations,
                "job-size": st.fixed_dictionaries(
                    {},
                    optional={
                        "max": st.dictionaries(st.sampled_from(["nnodes", "ngpus"]), st.integers(-1, 9))
                    },
                ),
            },
        ),
        "access": st.fixed_dictionaries({}, optional={"allow-user": st.lists(st.sampled_from("ab"))}),
    },
)


@pytest.mark.rfc(33, "override", "virtual-inherits")
@given(policies, policies, policies)
def test_the_nearer_policy_goes_before(own, parent, everyone):
    config = QueueConfig(
        {"policy": everyone, "queues": {"p": {"policy": parent}, "v": {"parent": "p", "policy": own}}}
    )
    layers = [QueuePolicy.decode(table) for table in (own, parent, everyone)]
    for at, queue in enumerate(("v", "p", None)):
        policy = config.effective(queue)
        for key in {key for layer in layers for key in layer.limits}:
            expected = next((layer.limits[key] for layer in layers[at:] if key in layer.limits), None)
            assert policy.limits.get(key) == expected
        users = next((layer.users for layer in layers[at:] if layer.users is not None), None)
        assert policy.users == users
    one, two, three = layers
    assert one.over(two).over(three).limits == one.over(two.over(three)).limits


def test_many_queues():
    tables: dict[str, Any] = {"root": {"requires": ["x"] * 100_000}}
    tables.update((f"q{n}", {"parent": "root"}) for n in range(20_000))
    config = QueueConfig({"queues": tables})
    assert sum(queue.parent == "root" for queue in config.queues.values()) == 20_000
    assert config.effective("q7").limits == {}


def test_what_a_queue_asks_of_its_nodes():
    queues = {
        "batch": {"requires": ["a", "b"]},
        "debug": {"hosts": "n[0-1]"},
        "small": {"parent": "debug"},
        "any": {},
    }
    asked = {name: asked_of_nodes(queues, name) for name in queues}
    assert asked == {"batch": ["a", "b"], "debug": ["+debug"], "small": ["+debug"], "any": []}
    with pytest.raises(FormatError, match="queue 'x': parent queue 'y' is not configured"):
        asked_of_nodes({"x": {"parent": "y"}}, "x")
