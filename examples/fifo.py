# SPDX-License-Identifier: LGPL-3.0-or-later
"""A scheduler: first come, first served, one job at a time on the whole of its only node.

rosin start sh -c 'rosin module remove sched-simple && rosin module load $PWD/examples/fifo.py &&
rosin submit --cc=1-3 --wait hostname'
"""

from typing import Any

from rosin import _json
from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_RPC_STREAMING
from rosin.rfc import treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.message import Message
from rosin.rfc.payload import field

ALLOC, CANCEL = 0, 3  # types of an answer to sched.alloc (RFC 27)


class Fifo(BrokerModule):
    """Service ``sched``, as the job manager wants it (RFC 27)."""

    name = "sched-fifo"
    services = ("sched",)
    follows = ("job-manager", "resource")

    async def start(self) -> None:
        self.queue: dict[int, Message] = {}
        self.running: set[int] = set()  # jobs that have the node: one, or those found at the start
        self.acquisition = self.h.rpc("resource.acquire", flags=FLUX_RPC_STREAMING)
        first = await anext(aiter(self.acquisition))
        self.R: dict[str, Any] = first["resources"]
        hello = self.h.rpc("job-manager.sched-hello", {"partial-ok": False}, flags=FLUX_RPC_STREAMING)
        async for job in hello:
            self.running.add(job["id"])
        await self.h.rpc("job-manager.sched-ready", {"mode": "unlimited"})

    @request_handler("sched.alloc", prefix=False)
    def alloc(self, msg: Message) -> Any:
        self.queue[field(msg.args, "id", int)] = msg
        self.call_soon_once(self.schedule)
        return DEFERRED

    @request_handler("sched.free", prefix=False)
    def free(self, msg: Message) -> Any:
        if msg.args.get("final"):
            self.running.discard(field(msg.args, "id", int))
            self.call_soon_once(self.schedule)
        return DEFERRED

    @request_handler("sched.cancel", prefix=False)
    def cancel(self, msg: Message) -> Any:
        jobid = field(msg.args, "id", int)
        request = self.queue.pop(jobid, None)
        if request is not None:
            self.respond(request, {"id": jobid, "type": CANCEL})
        return DEFERRED

    @request_handler("sched.prioritize", prefix=False)
    def prioritize(self, msg: Message) -> Any:
        return DEFERRED  # first come, first served

    def schedule(self) -> None:
        if self.running or not self.queue:
            return
        jobid = next(iter(self.queue))
        self.running.add(jobid)
        self.create_task(self.give(jobid, self.queue.pop(jobid)))

    async def give(self, jobid: int, request: Message) -> None:
        duration = request.args["jobspec"].get("attributes", {}).get("system", {}).get("duration", 0.0)
        now = self.now()
        times = {"starttime": now, "expiration": now + duration if duration else 0.0}
        R = {**self.R, "execution": {**self.R["execution"], **times}}
        entry = {"key": job_key(jobid, "R"), "flags": 0, "dirent": treeobj.val(_json.dumps(R))}
        await self.h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": [entry]})
        note = {"sched": {"resource_summary": "the whole node"}}
        self.respond(request, {"id": jobid, "type": ALLOC, "R": R, "annotations": note})
