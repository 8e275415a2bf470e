# SPDX-License-Identifier: LGPL-3.0-or-later
"""Stand-ins for the services around the scheduler."""

import asyncio
import errno
import json

import pytest

from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import FLUX_RPC_STREAMING
from rosin.modules.sched import base
from rosin.rfc import treeobj
from rosin.testing import Instance

from ...resource.allocator.resources import like_nodes


def jobspec(nodes=None, slots=1, cores=1, duration=0.0, exclusive=False, constraints=None):
    slot = {"type": "slot", "count": slots, "label": "task", "with": [{"type": "core", "count": cores}]}
    resources = [slot]
    if nodes is not None:
        resources = [{"type": "node", "count": nodes, "with": [slot], "exclusive": exclusive}]
    system = {"duration": duration, **({"constraints": constraints} if constraints else {})}
    return {"version": 1, "resources": resources, "tasks": [], "attributes": {"system": system}}


class World:
    """A scheduler with a job manager, a KVS and a resource service that the test controls."""

    def __init__(
        self, R=None, up="0", running=(), config=None, args=(), values=None, module="sched-simple", late=False
    ):
        self.commits = []
        self.values = dict(values or {})
        self.fail = None
        self.silent = False
        self.changes = asyncio.Queue()
        self.greeting = None
        self.ready = None
        self.refuse_raise = False
        self.raised = []
        self.answers = asyncio.Queue()
        self.hold = None
        self.known = asyncio.Event()  # the resources
        if not late:
            self.known.set()
        self.refusal = None
        self._first = {"resources": R or like_nodes(1, 4), "up": up}
        self._running = running
        self._config = config
        self._args = list(args)
        self._module = module

    def modules(world):
        class Kvs(BrokerModule):
            name = "kvs"

            @request_handler("lookup")
            def lookup(self, msg):
                if world.silent:
                    raise OSError(errno.ENOSYS, "Function not implemented")
                if msg.args["key"] not in world.values:
                    raise OSError(errno.ENOENT, "No such file or directory")
                return {"val": treeobj.val(json.dumps(world.values[msg.args["key"]]).encode())}

            @request_handler("commit")
            async def commit(self, msg):
                if world.hold is not None:
                    await world.hold.wait()
                if world.fail:
                    raise OSError(*world.fail)
                ops = msg.args["ops"]
                world.commits.append([op["key"] for op in ops])
                world.values.update({op["key"]: json.loads(treeobj.val_data(op["dirent"])) for op in ops})
                return {}

        class Resource(BrokerModule):
            name = "resource"

            @request_handler("get")
            def get(self, msg):
                if not world.known.is_set():
                    raise OSError(errno.ENOENT, "No such file or directory")
                return {"R": world._first["resources"], "method": "configuration"}

            @request_handler("acquire")
            async def acquire(self, msg):
                await world.known.wait()
                if world.refusal:
                    raise world.refusal
                yield world._first
                while True:
                    change = await world.changes.get()
                    if change is None:
                        return
                    yield change

        class JobManager(BrokerModule):
            name = "job-manager"

            @request_handler("sched-hello")
            async def hello(self, msg):
                world.greeting = msg.args
                for job in world._running:
                    yield job

            @request_handler("sched-ready")
            def ready(self, msg):
                world.ready = msg.args
                return {"count": 0}

            @request_handler("raise")
            def raise_(self, msg):
                if world.refuse_raise:
                    raise OSError(errno.ENOENT, "unknown job")
                world.raised.append((msg.args["id"], msg.args["type"]))

        return [Kvs, Resource, JobManager]

    async def __aenter__(self):
        self.inst = Instance(modules=self.modules(), config=self._config)
        await self.inst.__aenter__()
        try:
            self.module = await self.inst.load(self._module, self._args)
        except BaseException:
            await self.inst.__aexit__(None, None, None)
            raise
        self.h = await self.inst.connect()
        return self

    async def __aexit__(self, *info):
        await self.inst.__aexit__(*info)

    def alloc(self, jobid, spec, priority=16, t_submit=1.0):
        """Send an alloc request as the job manager does; answers come to ``answers``."""
        body = {"id": jobid, "priority": priority, "userid": 1, "t_submit": t_submit, "jobspec": spec}
        stream = self.h.rpc("sched.alloc", body, flags=FLUX_RPC_STREAMING)
        stream.then(lambda future: (self.answers.put_nowait(future.get()), future.reset()))

    async def answer(self):
        return await self.answers.get()

    def free(self, answer, final=True):
        self.h.rpc("sched.free", {"id": answer["id"], "R": answer["R"], "final": final}, flags=1)


@pytest.fixture
def world():
    """The World class."""
    return World


@pytest.fixture
def spec():
    """The jobspec maker."""
    return jobspec


@pytest.fixture
def make_r():
    """The R maker."""
    return like_nodes


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """A pass is not cut short because the machine is busy."""
    monkeypatch.setattr(base, "SLICE", 3600.0)
