# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is loaded before the initial program, what services are asked for after it, and what goes when."""

import errno
import re

import pytest

from rosin.broker import rc, rctable
from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import FLUX_CORE_VERSION, FLUX_KVS_APPEND, FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.job.submission import submit_async
from rosin.kvs.snapshot import garbage
from rosin.rfc import eventlog, treeobj
from rosin.rfc.jobspec.build import from_command
from rosin.rfc.rset import ResourceSet
from rosin.rfc.syslog import LogLine
from rosin.testing import Instance


def handle(inst):
    """The handle of the module on whose behalf a broker does all this."""
    return inst.broker.modules["state-machine"].h


def broker_of(attrs=None, **options):
    """An instance with the attributes that these calls look at."""
    usual = {"content.backing-module": "content-sqlite"}
    return Instance(**options, attrs={**usual, **(attrs or {})})


def told(inst, text):
    """Severity and text of what the broker has logged with this text."""
    entries = [LogLine(line) for line in inst.broker.ring.lines]
    return [(entry.severity, entry.text) for entry in entries if text in entry.text]


def loaded(inst) -> list[str]:
    return [name for name, module in inst.broker.modules.items() if not module.builtin]


async def admin_log(h) -> list[dict]:
    answer = await h.rpc("kvs.lookup", {"key": "admin.eventlog", "namespace": "primary", "flags": 0})
    return eventlog.decode_entries(treeobj.val_data(answer["val"]).decode())


# -- rc1 --------------------------------------------------------------------------------------------


async def test_rc1_loads_what_an_instance_has():
    async with broker_of() as inst:
        await rc.rc1(inst.broker, handle(inst))
        assert loaded(inst) == rctable.modules()
        h = await inst.connect()
        assert (await h.rpc("groups.get", {"name": "broker.online"}))["members"] == "0"
        (entry,) = await admin_log(h)
        assert entry == {
            "timestamp": inst.clock.now(),
            "name": "start",
            "context": {"version": 1, "core_version": FLUX_CORE_VERSION},
        }
        assert (await h.rpc("job-manager.queue-status", {}))["start"] is True


async def test_rc1_starts_no_queue_in_recovery_mode():
    async with broker_of(attrs={"broker.recovery-mode": "1"}) as inst:
        await rc.rc1(inst.broker, handle(inst))
        status = await handle(inst).rpc("job-manager.queue-status", {})
        assert status["start"] is False


async def test_what_is_there_without_rc1():
    async with broker_of() as inst:
        await rc.builtins(inst.broker, handle(inst))
        assert loaded(inst) == ["groups", "rexec"]
        answer = await handle(inst).rpc("groups.get", {"name": "broker.online"})
        assert answer["members"] == "0"


async def test_rc1_loads_the_backing_store_that_is_asked_for():
    async with broker_of(attrs={"content.backing-module": "none"}) as inst:
        with pytest.raises(FileNotFoundError, match="module none: module not found"):
            await rc.rc1(inst.broker, handle(inst))
        assert loaded(inst) == ["content"]


async def test_rc1_names_the_module_that_refuses_its_configuration(monkeypatch):
    async def load(_path, _args, name, **_options):
        raise FormatError(f"{name}.x: expected a number")

    async with broker_of() as inst:
        monkeypatch.setattr(inst.broker.modules, "load", load)
        with pytest.raises(OSError, match=r"module content: content\.x: expected a number") as caught:
            await rc.rc1(inst.broker, handle(inst))
        assert caught.value.errno == errno.EINVAL


async def test_fake_resources():
    table = {"nnodes": 3, "cores-per-node": 2}
    async with broker_of(config={"fake-resources": table}) as inst:
        await rc.rc1(inst.broker, handle(inst))
        R = (await handle(inst).rpc("sched.resource-status"))["all"]
        assert R["execution"]["R_lite"] == [{"rank": "0-2", "children": {"core": "0-1"}}]
        assert inst.broker.modules["resource"].args == ["monitor-force-up", "noverify"]
        assert inst.broker.modules["job-exec"].args == []
        journal = handle(inst).rpc("resource.journal", flags=FLUX_RPC_STREAMING)
        async for batch in journal:
            context = batch["events"][0]["context"]
            assert context == {"ranks": "0-2", "online": "0-2", "nodelist": "fake[0-2]"}
            break
        await inst.broker.modules.remove("resource")
        inst.broker.rank = 1
        assert await rc._arguments(inst.broker, handle(inst), "resource") == ["noverify"]
    async with broker_of(config={"fake-resources": {"nnodes": 0}}) as inst:
        with pytest.raises(OSError, match=r"module resource: fake-resources.nnodes: expected 1 to 65536"):
            await rc.rc1(inst.broker, handle(inst))


# -- cleanup ----------------------------------------------------------------------------------------


class JobManager(BrokerModule):
    """Notes what is asked of it."""

    name = "job-manager"
    services = ("resource",)
    asked: list[tuple[str, dict]]
    fault = OSError(errno.EINVAL, "not now")

    async def start(self):
        self.asked = []

    def _note(self, msg):
        self.asked.append((msg.topic, msg.args))

    @request_handler("queue-start")
    def queue_start(self, msg):
        self._note(msg)
        raise self.fault

    @request_handler("raiseall")
    def raiseall(self, msg):
        self._note(msg)
        return {"count": 0, "error_count": 0}

    @request_handler("idle")
    def idle(self, msg):
        self._note(msg)

    @request_handler("resource.acquire-mute", prefix=False)
    def mute(self, msg):
        self._note(msg)


async def test_cleanup_asks_one_after_the_other_whatever_fails():
    async with broker_of(modules=[JobManager]) as inst:
        await rc.cleanup(inst.broker, handle(inst))
        everybody_running = {"userid": 0xFFFFFFFF, "states": 0x10}
        cancel = {"severity": 0, "type": "cancel", "note": "instance is shutting down", "dry_run": False}
        assert inst.broker.modules["job-manager"].asked == [
            ("job-manager.queue-start", {"start": False, "all": True, "nocheckpoint": True}),
            ("resource.acquire-mute", {}),
            ("job-manager.raiseall", {**everybody_running, **cancel}),
            ("job-manager.idle", {}),
        ]
        assert told(inst, "cleanup") == [(3, "cleanup: job-manager.queue-start: not now")]


async def test_cleanup_without_jobs_says_nothing():
    async with broker_of() as inst:
        await rc.cleanup(inst.broker, handle(inst))
        assert not told(inst, "cleanup")


async def test_cleanup_ends_what_runs_and_leaves_what_waits():
    async with broker_of() as inst:
        await rc.rc1(inst.broker, handle(inst))
        h = await inst.connect()
        total = await h.rpc("sched.resource-status")
        cores = ResourceSet.decode(total["all"]).count("core")
        ids = []
        for count in (cores, 1):
            jobspec = from_command(["mock"], cores_per_task=count)
            jobspec["attributes"]["system"]["exec"] = {"test": {"run_duration": "1000s"}}
            ids.append((await submit_async(h, jobspec))["id"])
        await inst.settle()
        await rc.cleanup(inst.broker, handle(inst))
        rows = (
            await h.rpc(
                "job-list.list", {"max_entries": 0, "attrs": ["state"], "constraint": {}, "since": 0.0}
            )
        )["jobs"]
        assert {row["id"]: row["state"] for row in rows} == {ids[0]: 64, ids[1]: 8}


# -- rc3 --------------------------------------------------------------------------------------------


class Plain(BrokerModule):
    """A module that says when it goes."""

    name = "plain"
    order: list[str] = []  # noqa: RUF012
    fault: Exception | None = None

    async def stop(self):
        self.order.append(self.module_name)
        if self.module_name == "kvs-watch" and self.fault is not None:
            raise self.fault


class Store(Plain):
    """Takes events of the instance's log, or does not."""

    name = "kvs"
    commits: list[dict] = []  # noqa: RUF012
    errnum = 0

    @request_handler("commit")
    def commit(self, msg):
        if self.errnum:
            raise OSError(self.errnum, "no space")
        self.commits.append(msg.args)
        return {"rootref": "x", "rootseq": 1}


class Follower(Plain):
    """Has to go before a module that goes before all others."""

    name = "job-manager"
    follows = ("extra",)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(Plain, "order", [])
    monkeypatch.setattr(Store, "commits", [])


async def test_rc3_removes_added_modules_first_then_the_usual_ones_from_last_to_first():
    async with broker_of() as inst:
        for name in ("kvs-watch", "content", "other"):  # not in the usual order
            await inst.broker.modules.load_class(Plain, [], name)
        await inst.load(Store)
        for name in ("extra", "sched-simple", "heartbeat"):
            await inst.broker.modules.load_class(Plain, [], name)
        await inst.load(Follower)
        await rc.rc3(inst.broker, handle(inst))
        assert Plain.order == [
            "other", "sched-simple", "job-manager", "extra", "heartbeat", "kvs-watch", "kvs", "content"
        ]  # fmt: skip
        assert loaded(inst) == []
        ((op,),) = [commit.pop("ops") for commit in Store.commits]
        assert Store.commits == [{"namespace": "primary", "flags": 0}]
        assert (op["key"], op["flags"]) == ("admin.eventlog", FLUX_KVS_APPEND)
        (entry,) = eventlog.decode_entries(treeobj.val_data(op["dirent"]).decode())
        assert entry == {"timestamp": inst.clock.now(), "name": "finish", "context": {"version": 1}}


@pytest.mark.parametrize("exc", [OSError(errno.EIO, "no"), ZeroDivisionError("bug")])
async def test_rc3_goes_on_when_a_module_fails(exc, monkeypatch):
    monkeypatch.setattr(Plain, "fault", exc)
    async with broker_of() as inst:
        for name in ("content", "kvs-watch", "heartbeat"):
            await inst.broker.modules.load_class(Plain, [], name)
        await rc.rc3(inst.broker, handle(inst))
        assert Plain.order == ["heartbeat", "kvs-watch", "content"]
        assert told(inst, "rc3") == [(3, f"rc3: module kvs-watch: {exc}")]


async def test_rc3_goes_on_when_the_end_cannot_be_noted(monkeypatch):
    monkeypatch.setattr(Store, "errnum", errno.ENOSPC)
    async with broker_of(modules=[Store]) as inst:
        await rc.rc3(inst.broker, handle(inst))
        assert told(inst, "rc3") == [(3, "rc3: admin.eventlog: no space")]
        assert loaded(inst) == []


async def test_rc3_without_a_store_notes_nothing():
    async with broker_of() as inst:
        await rc.rc3(inst.broker, handle(inst))
        assert not told(inst, "rc3")


async def test_rc3_of_a_whole_instance(tmp_path):
    attrs = {"content.dump": "auto", "statedir": str(tmp_path), "statedir-cleanup": "0"}
    async with broker_of(attrs=attrs) as inst:
        await rc.rc1(inst.broker, handle(inst))
        await rc.rc3(inst.broker, handle(inst))
        assert loaded(inst) == []
        ((severity, text),) = told(inst, "rc3")
        assert severity == 6
        assert re.fullmatch(r"rc3: collected garbage: [1-9]\d* blobs in use, \d+ reclaimed", text)


@pytest.mark.parametrize(
    ("exc", "text"), [(OSError(errno.EIO, "broken"), "broken"), (FormatError("nonsense"), "nonsense")]
)
async def test_why_garbage_was_not_collected(exc, text, monkeypatch, tmp_path):
    async def fail(_h):
        raise exc

    monkeypatch.setattr(garbage, "collect", fail)
    attrs = {"content.dump": "auto", "statedir": str(tmp_path), "statedir-cleanup": "0"}
    async with broker_of(attrs=attrs) as inst:
        await rc.rc3(inst.broker, handle(inst))
        assert told(inst, "rc3") == [(3, f"rc3: garbage was not collected: {text}")]


@pytest.mark.parametrize("text", ["", "no archive"])
async def test_rc1_keeps_the_store_when_there_is_no_dump_to_begin_with(tmp_path, text):
    store = tmp_path / "content.sqlite"
    store.write_bytes(b"what there was")
    if text:
        (tmp_path / "x.tgz").write_text(text)
    attrs = {"content.restore": f"{tmp_path}/x.tgz", "statedir": str(tmp_path)}
    async with broker_of(attrs=attrs) as inst:
        what = "Unrecognized archive format:" if text else "Failed to open"
        with pytest.raises(OSError, match=rf"^\[Errno \d+\] content\.restore: {what} '{tmp_path}/x.tgz'"):
            await rc.rc1(inst.broker, handle(inst))
    assert store.read_bytes() == b"what there was"
