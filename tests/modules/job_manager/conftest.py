# SPDX-License-Identifier: LGPL-3.0-or-later
"""The bench for the pure parts, and stand-ins for the services around the job manager."""

import asyncio
import errno
from typing import ClassVar

import pytest

from rosin import _json
from rosin.broker.module import BrokerModule, request_handler
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key
from rosin.testing.instance import Instance

from .bench import Bench, R, make_jobspec
from .perilogs import make_world


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def use(bench):
    """Put a plugin on the stack; the plugin."""

    def add(cls, **conf):
        plugin = cls(bench.manager, conf)
        plugin.start()
        bench.manager.jobtap.add(plugin)
        return plugin

    return add


@pytest.fixture
def perilogs(bench):
    """A bench with ``prolog`` and ``epilog`` (their tables)."""
    return lambda **tables: make_world(bench, **tables)


# -- services ---------------------------------------------------------------------------------------


class FakeKvs(BrokerModule):
    """A flat KVS that keeps its contents in a dict given by the test, and can be told to fail or to wait."""

    name = "kvs"
    data: ClassVar[dict] = {}
    commits: ClassVar[list] = []
    error: OSError | None = None
    gate: asyncio.Event | None = None

    @request_handler("commit")
    async def commit(self, msg):
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.commits.append(msg.args["ops"])
        for op in msg.args["ops"]:
            self._apply(op["key"], op["flags"], op["dirent"])
        return {"rootseq": len(self.commits), "rootref": "sha1-" + "0" * 40}

    def _apply(self, key, flags, dirent):
        if dirent is None:
            for name in [name for name in self.data if name == key or name.startswith(key + ".")]:
                del self.data[name]
        elif dirent["type"] == "dir":
            for name, value in dirent["data"].items():
                self._apply(f"{key}.{name}", 0, value)
        else:
            value = treeobj.val_data(dirent)
            self.data[key] = self.data.get(key, b"") + value if flags & 32 else value

    def _tree(self, key):
        below = {}
        for name in self.data:
            if name.startswith(key + "."):
                first, _, rest = name[len(key) + 1 :].partition(".")
                below[first] = self._tree(f"{key}.{first}") if rest else treeobj.val(self.data[name])
        return treeobj.dirobj(below)

    @request_handler("lookup")
    def lookup(self, msg):
        key = msg.args["key"]
        if key in self.data:
            return {"val": treeobj.val(self.data[key])}
        tree = self._tree(key)
        if not tree["data"]:
            raise OSError(errno.ENOENT, None)
        return {"val": tree}


class FakeSched(BrokerModule):
    """Gives every job the same R at once, after storing it as a scheduler must."""

    name = "sched-fake"
    services = ("sched",)
    mode: ClassVar[dict] = {"mode": "unlimited"}

    async def start(self):
        self.held, self.freed, self.requests, self.tags = [], [], [], set()
        self.hello = [job async for job in self.h.rpc("job-manager.sched-hello", {}, flags=2)]
        self.ready = await self.h.rpc("job-manager.sched-ready", self.mode)

    @request_handler("sched.alloc", prefix=False)
    def alloc(self, msg):
        self.requests.append(msg.args["id"])
        self.tags.add(msg.matchtag)
        note = {"sched": {"resource_summary": "rank0/core[0-1]"}}
        return {"id": msg.args["id"], "type": 0, "R": R, "annotations": note}

    @request_handler("sched.free", prefix=False)
    def free(self, msg):
        self.freed.append(msg.args)
        self.tags.add(msg.matchtag)

    @request_handler("sched.cancel", prefix=False)
    def cancel(self, msg):
        self.held.append(msg.args["id"])

    @request_handler("sched.expiration", prefix=False)
    def expiration(self, msg):
        self.held.append(msg.args["expiration"])

    @request_handler("feasibility.check", prefix=False)
    def feasible(self, msg):
        return None


class FakeExec(BrokerModule):
    """Runs every job in no time, or, when ``hold`` is set, until the test ends it.

    Without ``found`` it knows nothing of a job that it is to reattach to.
    """

    name = "job-exec"
    hold, found = False, True

    async def start(self):
        self.running, self.expirations, self.tags = {}, [], set()
        await self.h.rpc("job-manager.exec-hello", {"service": "job-exec"})

    @request_handler("start")
    def begin(self, msg):
        from rosin.broker.module import DEFERRED

        self.running[msg.args["id"]] = msg
        self.tags.add(msg.matchtag)
        if msg.args["reattach"] and not self.found:
            del self.running[msg.args["id"]]
            data = {"severity": 0, "type": "exec", "note": "lost"}
            self.respond(msg, {"id": msg.args["id"], "type": "exception", "data": data})
            self.say(msg, "finish", status=256)
            self.say(msg, "release", ranks="all", final=True)
            return DEFERRED
        self.say(msg, "reattached" if msg.args["reattach"] else "start")
        if not self.hold:
            self.end(msg.args["id"])
        return DEFERRED

    def say(self, msg, type, **data):
        self.respond(msg, {"id": msg.args["id"], "type": type, "data": data})

    def end(self, id, status=0):
        msg = self.running.pop(id)
        self.say(msg, "finish", status=status)
        self.say(msg, "release", ranks="all", final=True)

    @request_handler("expiration")
    def expiration(self, msg):
        self.expirations.append(msg.args["expiration"])


class World:
    """An instance with the job manager among stand-ins; ``data`` is what its KVS holds across restarts."""

    def __init__(self):
        self.data = {}

    def instance(self, *, config=None, sched=True, exec=True, hold=False, manager=True, found=True):
        kvs = type("Kvs", (FakeKvs,), {"data": self.data, "commits": []})
        self.exec = type("Exec", (FakeExec,), {"hold": hold, "found": found})
        self.kvs, self.sched = kvs, type("Sched", (FakeSched,), {})
        modules = [kvs] + (["job-manager"] if manager else [])
        modules += ([self.sched] if sched else []) + ([self.exec] if exec else [])
        return Instance(modules, config=config)

    def log(self, id):
        """The eventlog of job *id* as it is stored."""
        return [_json.loads(line) for line in self.data[job_key(id, "eventlog")].splitlines()]

    def names(self, id):
        return [entry["name"] for entry in self.log(id)]


def job_request(id, jobspec=None, urgency=16, flags=0, userid=None, t_submit=1_700_000_000.0):
    import os

    return {
        "id": id,
        "userid": os.getuid() if userid is None else userid,
        "urgency": urgency,
        "t_submit": t_submit,
        "flags": flags,
        "jobspec": jobspec or make_jobspec(),
    }


@pytest.fixture
def world():
    return World()


@pytest.fixture
def job():
    """Make the request object of a job: ``job(id, ...)``."""
    return job_request


@pytest.fixture
def jobspec():
    return make_jobspec
