# SPDX-License-Identifier: LGPL-3.0-or-later
"""No table that flux-core knows is taken without effect and without a word."""

import errno

import pytest

from rosin.broker.configcheck import check
from rosin.broker.configfile import parse
from rosin.errors import FormatError
from rosin.testing.instance import Instance

REFUSED = [
    ('[job-manager.prolog]\ncommand = ["x"]', "job-manager.prolog: "),
    ("[job-manager.epilog]", "job-manager.epilog: "),
    ("[job-manager.perilog]\nlog-ignore = []", "job-manager.perilog: "),
    ('[job-manager]\nplugins = [{load = "perilog.so"}]', "job-manager.plugins[0]: perilog.so: "),
    ('[job-manager]\nplugins = [{remove = "x"}]', "job-manager.plugins[0]: remove: "),
    ("[job-manager]\nplugins = [3]", "job-manager.plugins[0]: 3: "),
    ("[job-manager]\nplugins = 3", "job-manager.plugins: expected an array"),
    ("[systemd]\nenable = true", "systemd.enable: "),
    ('[exec]\nservice = "sdexec"', "exec.service: "),
    ("[policy.limits.job-size.max]\nnodes = 1", "policy.limits.job-size.max.nodes: unknown key"),
    ('[policy.limits]\ntime = "1h"', "policy.limits.time: unknown key"),
    ("[queues.a]\nrequire = []", "queues.a.require: unknown key"),
    ("[queues.a.policy.limit]", "queues.a.policy.limit: unknown key"),
    ("policy = 3", "policy: must be a table"),
    ("queues.a.hosts = 3", "queues.a.hosts: must be a string"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_would_change_the_instance_is_refused(text, reason):
    with pytest.raises(FormatError) as info:
        check(parse(text))
    assert str(info.value).startswith(reason)
    assert "\n" not in str(info.value)


def test_what_only_tunes_is_named():
    config = parse("""
    tbon.topo = "kary:2"
    tbon.torpid_max = "1m"
    access.roles.admin.users = ["a"]
    bootstrap.hosts = [{host = "a"}]
    exec.sdexec-properties.MemoryMax = "1G"
    ingest.batch-count = 1
    job-manager.journal-size-limit = 1
    kvs.checkpoint-period = "1m"
    policy.scheduler.backfill = 1
    resource.no-update-watch = true
    sdexec.mapper = "x"
    systemd.enable = false
    systemd.sdbus-debug = true
    """)
    assert sorted(check(config)) == [
        "access.roles",
        "bootstrap.hosts",
        "exec.sdexec-properties",
        "ingest.batch-count",
        "job-manager.journal-size-limit",
        "policy.scheduler",
        "resource.no-update-watch",
        "sdexec.mapper",
        "systemd.sdbus-debug",
        "tbon.topo",
        "tbon.torpid_max",
    ]


def test_what_has_an_effect_or_belongs_to_others_is_not():
    config = parse("""
    access.allow-guest-user = true
    accounting.queue = "x"
    job-manager.inactive-num-limit = 3
    job-manager.plugins = [{remove = "all"}]
    policy.jobspec.defaults.system.duration = "1h"
    policy.limits.job-size.min.nnodes = 1
    policy.access.allow-user = ["a"]
    queues.a = {requires = ["b"], policy = {limits = {duration = "1h"}}}
    sched-fluxion-qmanager.x = 1
    """)
    assert check(config) == []
    assert check({}) == []
    for name in ("access", "job-manager", "systemd", "exec"):
        assert check({name: 3}) == []  # its service says that it is no table


async def test_a_load_is_refused_as_a_whole_and_warns_once():
    async with Instance([]) as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match=r"job-manager\.epilog") as info:
            await h.rpc("config.load", {"job-manager": {"epilog": {}}, "x": 1})
        assert info.value.errno == errno.EINVAL
        assert await h.rpc("config.get") == {}
        await h.rpc("config.load", {"tbon": {"topo": "x"}})
        await h.rpc("config.load", {"tbon": {"topo": "y"}})
        warnings = [line for line in inst.logged() if "tbon.topo" in line]
        assert len(warnings) == 1
        assert "has no effect" in warnings[0]


async def test_a_start_is_refused():
    with pytest.raises(FormatError, match=r"job-manager\.epilog"):
        async with Instance([], config={"job-manager": {"epilog": {}}}):
            pass


async def test_a_start_warns():
    async with Instance([], config={"tbon": {"topo": "x", "zmqdebug": 1}}) as inst:
        assert any("tbon.topo, tbon.zmqdebug have no effect" in line for line in inst.logged())
