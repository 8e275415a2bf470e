# SPDX-License-Identifier: LGPL-3.0-or-later
"""A recording port for the pure parts, and stand-ins for the services around the job manager."""

import asyncio
import errno
from types import SimpleNamespace
from typing import ClassVar

import pytest

from rosin import _json
from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import FLUX_NODEID_ANY
from rosin.modules.job_manager.manager import Manager
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.message import Message
from rosin.testing.instance import Instance

OWNER = 1000
R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0", "children": {"core": "0-1"}}],
        "starttime": 1_700_000_000.0,
        "expiration": 0.0,
        "nodelist": ["node1"],
    },
}


def make_jobspec(duration=0.0, **system):
    """A version 1 jobspec of one task on one core."""
    return {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": duration, **system}},
    }


class _Timer:
    def __init__(self, when, call):
        self.when, self.call = when, call

    def cancel(self):
        self.call = None


class _Log:
    def __init__(self):
        self.lines = []

    def __getattr__(self, level):
        return lambda text: self.lines.append((level, text))


class Recorder:
    """A port whose clock is set by hand and that writes down all that is asked of it."""

    def __init__(self):
        self.time, self.step = 1_700_000_000.0, 0.0
        self.sent, self.published, self.replies, self.timers = [], [], [], []
        self.rpcs, self.streams, self.served = [], [], {}
        self.log = _Log()

    def now(self):
        return self.time + self.step

    def monotonic(self):
        return self.time

    def wake(self):
        pass

    def respond(self, msg, payload):
        self.replies.append((msg, _json.loads(payload) if isinstance(payload, str) else payload))

    def respond_error(self, msg, errnum, text):
        self.replies.append((msg, OSError(errnum, text)))

    def request(self, topic, payload):
        self.sent.append((topic, payload))

    notify = request

    def rpc(self, topic, payload, done, nodeid=FLUX_NODEID_ANY):
        self.rpcs.append(
            (topic, payload, done) if nodeid == FLUX_NODEID_ANY else (topic, payload, done, nodeid)
        )

    def stream(self, topic, payload, nodeid, each, ended):
        self.streams.append(
            SimpleNamespace(topic=topic, payload=payload, rank=nodeid, each=each, ended=ended)
        )

    def publish(self, topic, payload, private=False):
        self.published.append((topic, payload, private))

    def serve(self, topic, method, allow_guest):
        if topic in self.served:
            raise OSError(errno.EEXIST, f"{topic} is served already")
        self.served[topic] = method

    def unserve(self, topic):
        del self.served[topic]

    def later(self, seconds, call):
        timer = _Timer(self.time + seconds, call)
        self.timers.append(timer)
        return timer

    def advance(self, seconds):
        self.time += seconds
        due = [timer for timer in self.timers if timer.when <= self.time]
        self.timers = [timer for timer in self.timers if timer.when > self.time]
        for timer in due:
            if timer.call is not None:
                timer.call()

    def take(self, topic):
        """The payloads sent to *topic* so far, each once."""
        found = [payload for name, payload in self.sent if name == topic]
        self.sent = [item for item in self.sent if item[0] != topic]
        return found


class Bench:
    """A manager with a recording port, a scheduler and an execution service that answer when told to."""

    def __init__(self):
        self.port = Recorder()
        self.manager = Manager(self.port, OWNER)
        self.next_id = 1

    def store(self):
        """One commit: everything so far is durable."""
        self.manager.flush()
        batch = self.manager.store.take()
        if batch is not None:
            self.manager.store.done()
            self.manager.flush()
        return batch

    def settle(self):
        while self.store() is not None:
            pass

    def request(
        self, topic="x", payload=None, userid=OWNER, rolemask=None, sender=b"client", streaming=False
    ):
        msg = Message.request(topic, payload, flags=0x40 if streaming else 0, matchtag=1)
        msg.userid = userid
        msg.rolemask = (1 if userid == OWNER else 2) if rolemask is None else rolemask
        msg.route = [sender]
        return msg

    def response(self, topic, payload=None, errnum=0):
        return Message.request(topic, payload).response(payload, errnum)

    def submit(self, jobspec=None, urgency=16, flags=0, userid=OWNER, id=None):
        from rosin.modules.job_manager.submit import submit

        if id is None:
            id, self.next_id = self.next_id, self.next_id + 1
        job = {
            "id": id,
            "userid": userid,
            "urgency": urgency,
            "t_submit": self.port.time,
            "flags": flags,
            "jobspec": jobspec or make_jobspec(),
        }
        errors = submit(self.manager, {"jobs": [job]})["errors"]
        if errors:
            raise OSError(errno.EINVAL, errors[0][1])
        return id

    def online(self, mode="unlimited", limit=None, service="job-exec"):
        payload = {"mode": mode} if limit is None else {"mode": mode, "limit": limit}
        self.manager.alloc.ready(self.request(payload=payload, sender=b"sched"))
        if service:
            self.manager.start.hello(self.request(payload={"service": service}, sender=b"exec"))

    def alloc(self, id, type=0, **fields):
        if type == 0:
            fields.setdefault("R", R)
        self.manager.alloc.response(self.response("sched.alloc", {"id": id, "type": type, **fields}))

    def exec(self, id, type, /, **data):
        self.manager.start.response(self.response("job-exec.start", {"id": id, "type": type, "data": data}))

    def run(self, id, status=0):
        """The rest of a job's life after its alloc request."""
        self.settle()
        self.alloc(id)
        self.settle()
        self.exec(id, "start")
        self.exec(id, "finish", status=status)
        self.exec(id, "release", ranks="all", final=True)
        self.settle()

    def events(self, id):
        job = self.manager.active.get(id)
        if job is not None:
            return [_json.loads(line) for line in job.lines]
        return self.manager.inactive[id].record()["events"]

    def names(self, id):
        return [entry["name"] for entry in self.events(id)]

    def job(self, id):
        return self.manager.active[id]


@pytest.fixture
def bench():
    return Bench()


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
    """Runs every job in no time, or, when ``hold`` is set, until the test ends it."""

    name = "job-exec"
    hold = False

    async def start(self):
        self.running, self.expirations, self.tags = {}, [], set()
        await self.h.rpc("job-manager.exec-hello", {"service": "job-exec"})

    @request_handler("start")
    def begin(self, msg):
        from rosin.broker.module import DEFERRED

        self.running[msg.args["id"]] = msg
        self.tags.add(msg.matchtag)
        self.say(msg, "start")
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

    def instance(self, *, config=None, sched=True, exec=True, hold=False, manager=True):
        kvs = type("Kvs", (FakeKvs,), {"data": self.data, "commits": []})
        self.exec = type("Exec", (FakeExec,), {"hold": hold})
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
