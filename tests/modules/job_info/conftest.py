# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job whose logs a test writes, on a real KVS."""

import json

import pytest

from rosin.constants import FLUX_KVS_APPEND
from rosin.rfc import jobpath, sign, treeobj
from rosin.testing import Instance

ID = 0x1234
WAITCREATE, SENTINEL = 1, 2
JOBSPEC = {
    "version": 1,
    "attributes": {"system": {"duration": 5, "x": {"y": 1}}},
    "tasks": [],
    "resources": [],
}
R = {"version": 1, "execution": {"R_lite": [], "expiration": 10.0}}


def line(event_name, t=1.0, **context):
    entry = {"timestamp": t, "name": event_name}
    if context:
        entry["context"] = context
    return json.dumps(entry, separators=(",", ":")) + "\n"


SUBMIT = line("submit", userid=500, urgency=16, flags=0, version=1)
STARTED = [line("validate"), line("depend"), line("priority", priority=16), line("alloc"), line("start")]
ENDED = [
    line("finish", status=256),
    line("release", ranks="all", final=True),
    line("free"),
    line("clean"),
]


class Job:
    """Writes a job to the KVS, as job-manager and job-exec do."""

    def __init__(self, inst, h):
        self.inst, self.h = inst, h

    async def commit(self, *ops, namespace="primary"):
        await self.h.rpc("kvs.commit", {"namespace": namespace, "flags": 0, "ops": list(ops)})

    def op(self, key, data, flags=0):
        value = data.encode() if isinstance(data, str) else data
        return {"key": key, "flags": flags, "dirent": treeobj.val(value)}

    def key(self, key):
        return jobpath.job_key(ID, key)

    async def submit(self):
        await self.commit(
            self.op(self.key("J"), sign.wrap(json.dumps(JOBSPEC), 500)),
            self.op(self.key("jobspec"), json.dumps(JOBSPEC)),
            self.op(self.key("eventlog"), SUBMIT, FLUX_KVS_APPEND),
        )

    async def post(self, *lines):
        await self.commit(*(self.op(self.key("eventlog"), text, FLUX_KVS_APPEND) for text in lines))

    async def start(self):
        await self.commit(self.op(self.key("R"), json.dumps(R)))
        empty = "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"
        name = jobpath.guest_namespace(ID)
        await self.h.rpc(
            "kvs.namespace-create", {"namespace": name, "rootref": empty, "owner": 500, "flags": 0}
        )
        link = treeobj.symlink(".", name)
        await self.commit({"key": self.key("guest"), "flags": 0, "dirent": link})
        await self.post(*STARTED)

    async def write(self, log, *texts):
        for text in texts:
            name = jobpath.guest_namespace(ID)
            await self.commit(self.op(log, text, FLUX_KVS_APPEND), namespace=name)

    async def end(self):
        name = jobpath.guest_namespace(ID)
        root = await self.h.rpc("kvs.getroot", {"namespace": name})
        moved = {"key": self.key("guest"), "flags": 0, "dirent": treeobj.dirref(root["rootref"])}
        await self.commit(moved)
        await self.h.rpc("kvs.namespace-remove", {"namespace": name})
        await self.post(*ENDED)


@pytest.fixture
async def job():
    async with Instance(["content", "content-sqlite", "kvs", "kvs-watch", "job-info"]) as inst:
        yield Job(inst, await inst.connect())
