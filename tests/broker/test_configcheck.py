# SPDX-License-Identifier: LGPL-3.0-or-later
"""No table that flux-core knows is taken without effect and without a word."""

import errno

import pytest

from rosin.broker.configcheck import check
from rosin.configfile import parse
from rosin.errors import FormatError
from rosin.testing.instance import Instance

REFUSED = [
    (
        "[job-manager.prolog]\nper_rank = true",
        "job-manager.prolog.per_rank: unknown key; did you mean per-rank?",
    ),
    ("[job-manager.perilog]\nlog-ignore = 3", "job-manager.perilog.log-ignore: expected an array, got 3"),
    ("[job-manager]\nplugins = [{load = 3}]", "job-manager.plugins[0].load: expected a string, got 3"),
    ('[job-manager]\nplugins = [{path = "x"}]', "job-manager.plugins[0].path: unknown key"),
    ("[job-manager]\nplugins = [3]", "job-manager.plugins[0]: expected a table, got 3"),
    ("[job-manager]\nplugins = 3", "job-manager.plugins: expected an array"),
    ("[systemd]\nenable = true", "systemd.enable: "),
    ('[exec]\nservice = "sdexec"', "exec.service: "),
    ("[policy.limits.job-size.max]\nnodes = 1", "policy.limits.job-size.max.nodes: unknown key"),
    ('[policy.limits]\ntime = "1h"', "policy.limits.time: unknown key"),
    ("[queues.a]\nrequire = []", "queues.a.require: unknown key"),
    ("[queues.a.policy.limit]", "queues.a.policy.limit: unknown key"),
    ("policy = 3", "policy: must be a table"),
    ("[polcy.limits]", "polcy: unknown table; did you mean policy?"),
    ("[queue.a]", "queue: unknown table; did you mean queues?"),
    ("[resources]", "resources: unknown table; did you mean resource?"),
    ('[exec]\nkil-timeout = "5s"', "exec.kil-timeout: unknown key; did you mean kill-timeout?"),
    ("[exec]\nkill-timeout = 5", "exec.kill-timeout: expected a string, got 5"),
    (
        "[exec.testexec]\nallow-guest = true",
        "exec.testexec.allow-guest: unknown key; did you mean allow-guests?",
    ),
    ("[tbon]\nfan_out = 3", "tbon.fan_out: unknown key; known: "),
    ('[tbon]\nzmqdebug = "x"', "tbon.zmqdebug=x: expected a number"),
    ('[tbon]\ntopo = "x"', "tbon.topo=x: expected kary:N"),
    ('[ingest]\nbuffer-size = "bad"', "ingest.buffer-size: expected a size"),
    ("[ingest]\nbatch-count = true", "ingest.batch-count: expected an integer, got true"),
    ("[ingest]\nbatch-count = 0", "ingest.batch-count: expected a number > 0"),
    (
        '[job-manager]\nstop-queues-on-restart = "x"',
        "job-manager.stop-queues-on-restart: expected true or false",
    ),
    ("[access]\nfoo = 42", "access.foo: unknown key; known: allow-guest-user, "),
    ("[access.roles.operator]", "access.roles.operator: unknown key; known: admin"),
    ("access.roles.admin.users = [1]", "access.roles.admin.users: expected an array of strings"),
    ("bootstrap.hosts = 42", "bootstrap.hosts: expected an array, got 42"),
    (
        'bootstrap.hosts = [{host = "a,b"}]',
        "bootstrap.curve_cert: several hosts need the path of the certificate",
    ),
    ("bootstrap.hosts = [{hosts = 1}]", "bootstrap.hosts[0].hosts: unknown key; did you mean host?"),
    ("[kvs]\ncheckpoint-period = 4", "kvs.checkpoint-period: expected a string, got 4"),
    ("[heartbeat]\nperod = 4", "heartbeat.perod: unknown key; did you mean period?"),
    ("content-sqlite = []", "content-sqlite: expected a table"),
    ("content-sqlite.nonsense = 1", "content-sqlite.nonsense: unknown key; known: journal_mode"),
    ('resource.pth = "x"', "resource.pth: unknown key; did you mean path?"),
    (
        'resource.config = [{hosts = "a", cors = "0"}]',
        "resource.config[0].cors: unknown key; did you mean cores?",
    ),
    ("access = 3", "access: expected a table, got 3"),
    ('exec."kill\\nx" = 3', "exec.'kill\\nx': unknown key"),
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
    foreign-thing.x = 1
    bootstrap.hosts = [{host = "a"}]
    exec.sdexec-properties.MemoryMax = "1G"
    ingest.batch-count = 1
    job-manager.journal-size-limit = 1
    kvs.checkpoint-period = "1m"
    tbon.torpid_max = "1m"
    policy.scheduler.backfill = 1
    resource.no-update-watch = true
    sdexec.mapper = "x"
    systemd.enable = false
    systemd.sdbus-debug = true
    """)
    assert sorted(check(config)) == [
        "exec.sdexec-properties.MemoryMax",
        "foreign-thing",
        "ingest.batch-count",
        "job-manager.journal-size-limit",
        "policy.scheduler",
        "resource.no-update-watch",
        "sdexec",
        "systemd.sdbus-debug",
    ]


def test_what_has_an_effect_or_belongs_to_others_is_not():
    config = parse("""
    access.allow-guest-user = true
    access.roles.admin.users = ["a"]
    accounting.queue = "x"
    job-manager.inactive-num-limit = 3
    job-manager.plugins = [{remove = "all", load = "x.py", conf = {y = 1}}]
    policy.jobspec.defaults.system.duration = "1h"
    policy.limits.job-size.min.nnodes = 1
    policy.access.allow-user = ["a"]
    queues.a = {requires = ["b"], policy = {limits = {duration = "1h"}}}
    sched-fluxion-qmanager.x = 1
    """)
    assert check(config) == {}
    assert check({}) == {}


async def test_a_load_is_refused_as_a_whole_and_warns_once():
    async with Instance([]) as inst:
        h = await inst.connect()
        with pytest.raises(OSError, match=r"systemd\.enable") as info:
            await h.rpc("config.load", {"systemd": {"enable": True}, "x": 1})
        assert info.value.errno == errno.EINVAL
        assert await h.rpc("config.get") == {}
        await h.rpc("config.load", {"ingest": {"batch-count": 1}})
        await h.rpc("config.load", {"ingest": {"batch-count": 2}})
        warnings = [line for line in inst.logged() if "ingest.batch-count" in line]
        assert len(warnings) == 1
        assert "has no effect" in warnings[0]


async def test_a_start_is_refused():
    with pytest.raises(FormatError, match=r"systemd\.enable"):
        async with Instance([], config={"systemd": {"enable": True}}):
            pass


async def test_a_start_warns():
    async with Instance([], config={"systemd": {"sdbus-debug": True}, "sdexec": {}}) as inst:
        text = "systemd.sdbus-debug, sdexec have no effect on this broker: this broker does not use systemd"
        assert any(text in line for line in inst.logged())


async def test_who_loads_a_configuration_is_told_what_has_no_effect():
    async with Instance([]) as inst:
        h = await inst.connect()
        assert await h.rpc("config.load", {"kvs": {}}) is None
        inst.broker.attrs.define("tbon.torpid_max", "30s")
        config = {"ingest": {"batch-count": 1}, "tbon": {"torpid_max": "7s"}}
        expected = [
            "ingest.batch-count has no effect on this broker: jobs that come together are stored together",
            "tbon.torpid_max has no effect before the next start of the broker",
        ]
        for _ in range(2):
            assert await h.rpc("config.load", config) == {"warnings": expected}
        assert await h.rpc("config.load", {"tbon": {"torpid_max": "30s"}}) is None


async def test_an_attribute_that_nobody_reads_is_named_when_it_is_set():
    async with Instance([]) as inst:
        h = await inst.connect()
        await h.rpc("attr.set", {"name": "conf.shell_initrc", "value": "/x"})
        await h.rpc("attr.set", {"name": "test.a", "value": "/x"})
        text = "conf.shell_initrc has no effect on this broker: the job shell runs no Lua"
        assert [text in line for line in inst.logged() if "no effect" in line] == [True]
