# SPDX-License-Identifier: LGPL-3.0-or-later
"""A key of the configuration that counts at the start counts when it is changed, or it is said when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rosin.broker.configtable import TABLE
from rosin.configfile import merge
from rosin.testing.instance import Instance

#: What a service needs to run, in order; some need nothing.
STACK = ["content", "content-sqlite", "kvs", "resource", "job-manager"]
ALONE = ("heartbeat", "rexec")

#: Services, and for each key that they read another value than the usual one.
KEYS: dict[str, dict[str, Any]] = {
    "content-sqlite": {
        "content-sqlite.journal_mode": "DELETE",
        "content-sqlite.synchronous": "FULL",
        "content-sqlite.max_checkpoints": 7,
    },
    "heartbeat": {"heartbeat.period": "7s", "heartbeat.timeout": "1h", "heartbeat.warn_thresh": 7},
    "job-exec": {
        "exec.job-shell": "/shell",
        "exec.imp": "/imp",
        "exec.kill-timeout": "7s",
        "exec.max-kill-timeout": "7m",
        "exec.max-kill-count": 7,
        "exec.term-signal": "SIGUSR1",
        "exec.kill-signal": "SIGUSR2",
        "exec.barrier-timeout": "7s",
        "exec.shell-exit-timeout": "7s",
        "exec.max-start-delay-percent": 7,
        "exec.testexec.allow-guests": True,
    },
    "job-ingest": {
        "ingest.frobnicator.plugins": ["constraints"],
        "ingest.frobnicator.disable": True,
        "ingest.validator.plugins": ["feasibility"],
        "ingest.validator.disable": True,
        "policy.jobspec.defaults.system": {"duration": "7s"},
        "policy.access.allow-user": ["root"],
        "policy.access.allow-group": ["root"],
        "queues.*.requires": ["x"],
        "queues.*.policy": {"jobspec": {"defaults": {"system": {"duration": "7s"}}}},
    },
    "job-list": {
        "job-list.max_comparisons": 7,
        "access.private-mode": True,
        "queues.*.parent": "other",
    },
    "job-manager": {
        "access.private-mode": True,
        "job-manager.inactive-age-limit": "7s",
        "job-manager.inactive-num-limit": 7,
        "job-manager.stop-queues-on-restart": True,
        "job-manager.plugins": [{"remove": "nosuch*"}],
        "job-manager.housekeeping.command": ["true"],
        "job-manager.housekeeping.release-after": "7s",
        "policy.limits.duration": "7s",
        **{
            f"policy.limits.job-size.{end}.n{unit}": 7
            for end in ("max", "min")
            for unit in ("nodes", "cores", "gpus")
        },
        "queues.*.requires": ["x"],
        "queues.*.parent": "other",
        "queues.*.policy": {"limits": {"duration": "7s"}},
    },
    "kvs": {"kvs.checkpoint-period": "1s"},
    "resource": {
        "resource.path": "R",
        "resource.scheduling": "R",
        "resource.config": [{"hosts": "a", "cores": "0"}],
        "resource.exclude": "0",
        "resource.verify": False,
        "resource.noverify": True,
        "resource.norestrict": True,
        "resource.rediscover": True,
        "resource.journal-max": 7,
        "resource.history": "7d",
        "queues.*.hosts": "all",
    },
    "sched-simple": {
        "sched-simple.mode": "limited=7",
        "sched-simple.queue-depth": 7,
        "sched-simple.alloc-mode": "best-fit",
        "sched-simple.log-level": "debug",
    },
    "rexec": {"access.allow-guest-user": True, "access.allow-root-owner": True},  # the connector has the same
    # the broker itself
    "": {
        "modules.*.module": "heartbeat",
        "fake-resources": {"nnodes": 7},
        "bootstrap": {"hosts": [{"host": "a"}]},
        "tbon.topo": "kary:7",
    },
}
#: Keys whose change counts when the service or the broker starts again, as is said then.
LATER = ("resource.", "sched-simple.", "queues.*.hosts", "job-manager.plugins")
#: Of the resources this alone is looked at again and again.
NOW = ("resource.journal-max",)


#: What some keys are about.
_JOBS = {
    "policy": {"jobspec": {"defaults": {"system": {"duration": "7s"}}}},
    "queues": {"q": {"requires": ["x"]}},
}
AROUND: dict[str, dict[str, Any]] = {
    "ingest.frobnicator": _JOBS,
    "job-manager.housekeeping.release-after": {"job-manager": {"housekeeping": {"command": ["true"]}}},
    "queues.*.parent": {"queues": {"other": {}}},
    "resource.scheduling": {"resource": {"path": "R"}},
}


def around(key: str) -> dict[str, Any]:
    """A configuration in which a key has a meaning."""
    return next((found for place, found in AROUND.items() if key.startswith(place)), {})


def config(key: str, value: object) -> dict[str, Any]:
    """That configuration with this value."""
    for step in reversed(key.replace("*", "q").split(".")):
        value = {step: value}
    assert isinstance(value, dict)
    return merge(around(key), value)


def of_job_manager(module: Any) -> object:
    manager = module.manager
    queues = manager.queues
    plugins = {plugin.name: plugin for plugin in manager.jobtap.plugins}
    return (
        (manager.purge.age_limit, manager.purge.num_limit, queues.stop_on_restart, manager.private),
        [
            (name, queue.constraint, queue.parent and queue.parent.name)
            for name, queue in queues._queues.items()
        ],
        manager.housekeeping.settings,
        [plugins[name]._tables for name in (".limit-duration", ".limit-job-size")],
    )


def of_job_ingest(module: Any) -> object:
    policy = module.settings.policy
    names = ("_defaults", "_queues", "_requires")
    parts = [[getattr(stage, name) for name in names] for stage in policy.frobnicators.stages]
    users = {name: (entry.users, entry.groups) for name, entry in policy._access._policies.items()}
    return module.settings._replace(policy=None), policy._default, parts, users


#: What a service makes of its settings.
HELD: dict[str, Callable[[Any], object]] = {
    "content-sqlite": lambda module: (
        module.db.journal_mode,
        module.db.synchronous,
        module.db.max_checkpoints,
    ),
    "job-ingest": of_job_ingest,
    "job-manager": of_job_manager,
    "kvs": lambda module: (module.settings, module.storage.period),
    "resource": lambda module: module.events._limit,
    "rexec": lambda module: module.access,
}


def test_each_table_is_tried() -> None:
    """But those of which nothing counts here, and what other programs read of a configuration."""
    tables = {row.name.partition(".")[0] for row in TABLE if not row.idle} - {"systemd"}
    assert tables == {key.partition(".")[0] for keys in KEYS.values() for key in keys}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that settings of resources name."""
    monkeypatch.chdir(tmp_path)
    children = [{"rank": "0", "children": {"core": "0"}}]
    execution = {"R_lite": children, "nodelist": ["a"], "starttime": 0, "expiration": 0}
    Path("R").write_text(json.dumps({"version": 1, "execution": execution}))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("service", [service for service in KEYS if service])
async def test_a_change_counts_or_it_is_said_when(service: str) -> None:
    needed = STACK[: STACK.index(service)] if service in STACK else STACK
    async with Instance([] if service in ALONE else needed) as inst:
        await inst.load(service)
        held = HELD.get(service, lambda module: module.settings)
        h = await inst.connect()
        for key, value in KEYS[service].items():
            await h.rpc("config.load", around(key))
            usual = held(inst.broker.modules[service])
            answer = await h.rpc("config.load", config(key, value)) or {}
            later = [line.split()[0] for line in answer.get("warnings", ()) if " no effect before " in line]
            now = held(inst.broker.modules[service])
            if key.startswith(LATER) and key not in NOW:
                assert any(key == place or key.startswith(f"{place}.") for place in later), key
            else:
                assert now != usual, key
                assert not [place for place in later if key.startswith(place)], key
                await h.rpc("module.reload", {"path": service, "args": []})
                assert held(inst.broker.modules[service]) == now, key  # as at a start
            await h.rpc("config.load", around(key))
            assert held(inst.broker.modules[service]) == usual, key


@pytest.mark.parametrize(("key", "value"), KEYS[""].items())
async def test_what_the_broker_has_read_counts_at_the_next_start(key: str, value: object) -> None:
    async with Instance() as inst:
        h = await inst.connect()
        (line,) = (await h.rpc("config.load", config(key, value)))["warnings"]
        assert line == f"{key.replace('.*.module', '')} has no effect before the next start of the broker"
        assert await h.rpc("config.load", {}) is None


async def test_what_arguments_alone_say_stays() -> None:
    async with Instance(STACK) as inst:
        module: Any = await inst.load("job-ingest", ["allow-root-jobs", "max-fluid-generator-id=7"])
        h = await inst.connect()
        await h.rpc("config.load", config("policy.access.allow-user", ["root"]))
        assert (module.settings.allow_root_jobs, module.settings.max_generator) == (True, 7)
