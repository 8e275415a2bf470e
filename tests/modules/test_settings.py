# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of services: read by one class each, when it starts and when the configuration is loaded again.

A wrong value is one line that names table and key, and changes nothing.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import pytest

from rosin import modules
from rosin.broker.settings import AccessSettings, Table, differing
from rosin.errors import FormatError
from rosin.modules.content.settings import ContentSettings
from rosin.modules.content_files.settings import FilesSettings
from rosin.modules.content_sqlite.settings import SqliteSettings
from rosin.modules.cron.settings import CronSettings
from rosin.modules.heartbeat.settings import HeartbeatSettings
from rosin.modules.job_exec.settings import ExecSettings
from rosin.modules.job_ingest.settings import IngestSettings
from rosin.modules.job_list.settings import JobListSettings
from rosin.modules.job_manager.housekeeping_settings import HousekeepingSettings
from rosin.modules.job_manager.settings import ManagerSettings
from rosin.modules.kvs.settings import KvsSettings
from rosin.modules.resource.settings import ResourceSettings
from rosin.testing.instance import Instance

MODULES = Path(modules.__path__[0])
#: What a service needs to run, in order.
STACK = ["content", "content-sqlite", "kvs", "resource", "job-manager"]

#: For each service with settings, a key of its configuration, a good value and a wrong one.
KEYS = [
    ("content-sqlite", "content-sqlite.max_checkpoints", 7, 0),
    ("heartbeat", "heartbeat.period", "7s", "0s"),
    ("job-exec", "exec.kill-timeout", "7s", "soon"),
    ("job-ingest", "ingest.validator.plugins", ["feasibility"], ["taste"]),
    ("job-list", "job-list.max_comparisons", 7, -7),
    ("job-manager", "job-manager.inactive-num-limit", 7, -7),
    ("kvs", "kvs.checkpoint-period", "1s", "soon"),
    ("resource", "resource.journal-max", 7, 0),
    ("sched-simple", "sched-simple.queue-depth", 7, 0),
    ("rexec", "access.allow-guest-user", True, 1),
]

#: Services whose settings are arguments alone.
ARGUMENTS_ONLY = {"content", "content-files", "cron"}


def config(key: str, value: object) -> dict[str, Any]:
    for step in reversed(key.split(".")):
        value = {step: value}
    assert isinstance(value, dict)
    return value


def before(service: str) -> list[str]:
    """The modules that are to be loaded before a service."""
    wanted = STACK[: STACK.index(service)] if service in STACK else STACK
    return [] if service in ("heartbeat", "rexec") else list(wanted)


def held(module: Any) -> object:
    """The settings as a service holds them, or the part of it that they have changed."""
    seen = {
        "content-sqlite": lambda: module.db.max_checkpoints,
        "job-manager": lambda: module.manager.purge.num_limit,
        "resource": lambda: module.events._limit,
        "rexec": lambda: module.access,
    }
    return seen.get(module.name, lambda: module.settings)()


def test_the_configuration_is_read_by_settings_alone() -> None:
    reading = re.compile(r"\bconfig(\.get\(|\[)|\bfield\((self\.)?config\b")
    found = [path for path in MODULES.rglob("*.py") if reading.search(path.read_text())]
    assert {path.stem.rpartition("_")[2] for path in found} <= {"settings"}


def test_arguments_are_read_by_settings_alone() -> None:
    """Whatever else reads one does so at the start or on a reload alone, and misses the other."""
    read = [
        line
        for path in MODULES.rglob("*.py")
        for line in path.read_text().splitlines()
        if "arg_values" in line
    ]
    assert read
    assert [line for line in read if not re.search(r"\bparse\(.*\bself\.arg_values\b", line)] == []


def test_all_services_with_settings_are_here() -> None:
    places = {path.parent.name.replace("_", "-") for path in MODULES.glob("*/settings.py")}
    assert places <= {service for service, *_ in KEYS} | {"sched"} | ARGUMENTS_ONLY


@pytest.mark.parametrize(("service", "key", "good", "bad"), KEYS)
async def test_a_wrong_value_is_refused_at_the_start_and_later(
    service: str, key: str, good: object, bad: object
) -> None:
    with pytest.raises(FormatError, match=f"^{key}[:.]"):  # of [access], by the broker itself
        async with Instance(before(service), config=config(key, bad)) as inst:
            await inst.load(service)
    async with Instance(before(service)) as inst:
        module = await inst.load(service)
        h = await inst.connect()
        default = held(module)
        await h.rpc(f"{service}.config-reload", config(key, good))
        if service != "sched-simple":  # it takes them when it is loaded again
            assert held(module) != default
        taken = held(module)
        with pytest.raises(OSError, match=f"{key}[:.]") as info:
            await h.rpc(f"{service}.config-reload", config(key, bad))
        assert info.value.errno == errno.EINVAL
        assert held(module) == taken
        assert module.config == config(key, good)


async def test_what_counts_at_the_start_only_is_said() -> None:
    text = "sched-simple has no effect before sched-simple is loaded again"
    async with Instance(STACK, config=config("sched-simple.queue-depth", 7)) as inst:
        module = await inst.load("sched-simple")
        h = await inst.connect()
        await h.rpc("sched-simple.config-reload", config("sched-simple.queue-depth", 7))
        assert not any(text in line for line in inst.logged())
        answer = await h.rpc("config.load", config("sched-simple.queue-depth", 8))
        assert answer == {"warnings": [text]}
        assert any(text in line for line in inst.logged())
        assert module.settings["queue-depth"] == 7


@pytest.mark.parametrize(
    "settings",
    [
        AccessSettings,
        ContentSettings,
        CronSettings,
        ExecSettings,
        FilesSettings,
        HeartbeatSettings,
        HousekeepingSettings,
        IngestSettings,
        JobListSettings,
        KvsSettings,
        ManagerSettings,
        ResourceSettings,
        SqliteSettings,
    ],
)
def test_settings_do_not_change(settings: Any) -> None:
    found = settings.parse({})
    assert found == settings.parse({}, {}) or settings in (IngestSettings, ManagerSettings, ResourceSettings)
    with pytest.raises(AttributeError):
        setattr(found, found._fields[0], None)
    with pytest.raises(AttributeError):
        found.another = None


def test_differing() -> None:
    places = ("a", "b.c", "b.d")
    assert differing({}, {}, places) == []
    assert differing({"a": 1, "b": {"c": 1}}, {"a": 1, "b": {"c": 2}}, places) == ["b.c"]
    assert differing({"b": 1}, {"a": {}, "b": {"d": 1}}, places) == ["a", "b.d"]
    assert differing({"q": {"x": {"h": 1}, "y": 1}}, {"q": {"x": {"h": 1, "i": 2}}}, ["q.*.h"]) == []
    assert differing({"q": {"x": {"h": 1}}}, {"q": {"y": {"h": 1}}}, ["q.*.h"]) == ["q.*.h"]


@pytest.mark.parametrize(
    ("table", "read", "text"),
    [
        ({"a": 1}, lambda table: table.get("a", str), "t.a: expected a string, got 1"),
        ({"a": True}, lambda table: table.get("a", int), "t.a: expected an integer, got true"),
        ({"a": 0}, lambda table: table.get("a", bool), "t.a: expected true or false, got 0"),
        ({"a": 9}, lambda table: table.integer("a", 1, 1, 8), "t.a: expected 1 to 8, got 9"),
        ({"a": "0"}, lambda table: table.seconds("a", 1, positive=True), "t.a: expected a duration above 0"),
        ({"a": "inf"}, lambda table: table.seconds("a", 1, finite=True), "t.a: expected a duration, such as"),
        ({"a": "x"}, lambda table: table.choice("a", "ON", ("ON", "OFF")), "t.a: expected one of ON, OFF"),
    ],
)
def test_tables(table: dict[str, Any], read: Any, text: str) -> None:
    with pytest.raises(FormatError, match=f"^{text}"):
        read(Table({"t": table}, "t"))


def test_which_table() -> None:
    assert Table({}, "a.b").values == {}
    for config, text in (({"a": 1}, "a: expected"), ({"a": {"b": []}}, r"a\.b: expected")):
        with pytest.raises(FormatError, match=f"^{text} a table"):
            Table(config, "a.b")
    with pytest.raises(FormatError, match=r"^a\.tme: unknown key; did you mean time"):
        Table({"a": {"tme": 1}}, "a", ("time",))
