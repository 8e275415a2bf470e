# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job manager for the execution service to talk to, and KVS access for its tests."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import pytest

from rosin.broker.module import BrokerModule, request_handler
from rosin.constants import FLUX_KVS_APPEND
from rosin.errors import FormatError
from rosin.rfc import blobref, eventlog, exec_eventlog, treeobj
from rosin.rfc.exec_protocol import StartRequest, StartResponse, StartStream
from rosin.rfc.jobpath import guest_namespace, job_key
from rosin.rfc.message import Message
from rosin.testing.instance import Instance, MemoryFlux

JOBID = 38419824640


class FakeJobManager(BrokerModule):
    """Sends start requests and keeps the responses."""

    name = "job-manager"

    async def start(self) -> None:
        self.responses: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        self.errors: list[Message] = []
        #: What is wrong with the responses to each request, by RFC 32.
        self.faults: list[str] = []
        self.streams: dict[int, StartStream] = {}
        self.changed = asyncio.Event()
        self.h.on_response("job-exec.start", self._response)

    @request_handler("exec-hello")
    def exec_hello(self, msg: Message) -> None:
        assert msg.args == {"service": "job-exec"}

    def _response(self, msg: Message) -> None:
        if msg.errnum:
            self.errors.append(msg)
        else:
            self.responses.setdefault(msg.args["id"], []).append((msg.args["type"], msg.args["data"]))
            try:
                response = StartResponse.decode(msg.args)
                self.streams[response.id].take(response)
            except FormatError as exc:
                self.faults.append(str(exc))
        self.changed.set()

    def run(self, jobid: int = JOBID, **more: Any) -> None:
        """Ask for a job to be run."""
        request = StartRequest.decode(start_request(jobid, **more))
        if request.reattach or jobid not in self.streams:
            self.streams[jobid] = StartStream(request.reattach)
        self.h.send_request("job-exec.start", start_request(jobid, **more))

    def exception(self, jobid: int = JOBID, kind: str = "cancel", **more: Any) -> None:
        """Announce an exception as the job manager does."""
        self.h.event_send("job-exception", {"id": jobid, "type": kind, "severity": 0, **more}, private=True)

    def types(self, jobid: int = JOBID) -> list[str]:
        """What was answered, in order."""
        return [kind for kind, _ in self.responses.get(jobid, [])]

    def data(self, kind: str, jobid: int = JOBID) -> dict[str, Any]:
        """The data of the first answer of this type."""
        return next(data for name, data in self.responses[jobid] if name == kind)

    async def until(self, kind: str, jobid: int = JOBID) -> None:
        """Wait for an answer of this type."""
        while kind not in self.types(jobid):
            self.changed.clear()
            await self.changed.wait()


class FakeKvs(BrokerModule):
    """As much of the KVS as job execution uses: flat namespaces, links, and roots that can be grafted."""

    name = "kvs"

    async def start(self) -> None:
        self.spaces: dict[str, dict[str, Any]] = {"primary": {}}
        self.roots: dict[str, dict[str, Any]] = {}
        self.commits: list[str] = []
        self.failing = 0  # errno for commits

    def _space(self, name: str) -> dict[str, Any]:
        if name not in self.spaces:
            raise OSError(errno.ENOTSUP, f"namespace {name} does not exist")
        return self.spaces[name]

    @request_handler("namespace-create")
    def namespace_create(self, msg: Message) -> None:
        name, rootref = msg.args["namespace"], msg.args["rootref"]
        if name in self.spaces:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        self.spaces[name] = dict(self.roots.get(rootref, {}))

    @request_handler("namespace-remove")
    def namespace_remove(self, msg: Message) -> None:
        self.spaces.pop(msg.args["namespace"], None)

    @request_handler("namespace-list")
    def namespace_list(self, msg: Message) -> dict[str, Any]:
        return {"namespaces": [{"namespace": name} for name in self.spaces]}

    @request_handler("commit")
    def commit(self, msg: Message) -> dict[str, Any]:
        name = msg.args["namespace"]
        space = self._space(name)
        if self.failing:
            raise OSError(self.failing, os.strerror(self.failing))
        for op in msg.args["ops"]:
            treeobj.validate(op["dirent"])
            value = op["dirent"]
            if op["flags"] & FLUX_KVS_APPEND and op["key"] in space:
                value = treeobj.val(treeobj.val_data(space[op["key"]]) + treeobj.val_data(value))
            space[op["key"]] = value
        self.commits.append(name)
        rootref = blobref.blobref(str(len(self.commits)).encode())
        self.roots[rootref] = dict(space)
        return {"rootref": rootref, "rootseq": len(self.commits)}

    @request_handler("lookup")
    def lookup(self, msg: Message) -> dict[str, Any]:
        space, key = self._space(msg.args["namespace"]), msg.args["key"]
        head, guest, rest = key.partition(".guest.")
        if guest:
            link = space.get(head + ".guest", {"type": "none"})
            if link["type"] == "symlink":
                space, key = self._space(link["data"]["namespace"]), rest
            elif link["type"] == "dirref":
                space, key = self.roots[link["data"][0]], rest
        if key not in space:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return {"val": space[key]}


def start_request(jobid: int = JOBID, **more: Any) -> dict[str, Any]:
    """A start request for one rank; ``system``: attributes.system of the jobspec."""
    system = more.pop("system", {})
    ranks = more.pop("ranks", "0")
    execution = {"R_lite": [{"rank": ranks, "children": {"core": "0"}}], "starttime": 0.0, "expiration": 0.0}
    execution.update(more.pop("execution", {"nodelist": ["testhost"]}))
    return {
        "id": jobid,
        "userid": more.pop("userid", os.getuid()),
        "jobspec": {"version": 1, "resources": [], "tasks": [], "attributes": {"system": system}},
        "R": {"version": 1, "execution": execution},
        "reattach": False,
        **more,
    }


def mock(**test: Any) -> dict[str, Any]:
    """``attributes.system`` of a mock job."""
    return {"exec": {"test": test}}


async def read_log(h: MemoryFlux, jobid: int = JOBID, *, running: bool = False) -> list[tuple[str, Any]]:
    """The job's exec.eventlog without its times, from the guest namespace or from where it ends up."""
    namespace, key = "primary", job_key(jobid, "guest.exec.eventlog")
    if running:
        namespace, key = guest_namespace(jobid), "exec.eventlog"
    reply = await h.rpc("kvs.lookup", {"namespace": namespace, "key": key, "flags": 0})
    entries = eventlog.decode_entries(treeobj.val_data(reply["val"]))
    if [entry["name"] for entry in entries][:1] != ["reattach"]:  # the log before was lost
        exec_eventlog.validate(entries)
    return [(entry["name"], entry.get("context", {})) for entry in entries]


async def namespaces(h: MemoryFlux) -> list[str]:
    """Names of the guest namespaces that exist."""
    listed = (await h.rpc("kvs.namespace-list", {}))["namespaces"]
    return [entry["namespace"] for entry in listed if entry["namespace"] != "primary"]


@pytest.fixture
async def inst() -> Any:
    async with Instance([FakeKvs, FakeJobManager, "job-exec"]) as instance:
        yield instance


@pytest.fixture
def kvs(inst: Instance) -> Any:
    return inst.broker.modules["kvs"]


@pytest.fixture
def manager(inst: Instance) -> Any:
    """The job manager of the test's instance; what it was answered has to be in order."""
    module: Any = inst.broker.modules["job-manager"]
    yield module
    assert module.faults == []
