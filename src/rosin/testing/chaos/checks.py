# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whether a tree of brokers has lost anything, done it twice, is stuck, or holds on to what is over."""

from __future__ import annotations

from collections import Counter

from rosin.handle.handle import Handle
from rosin.job import submit_async
from rosin.kvs import PRIMARY, KVSTxn, getroot_async, lookup_async
from rosin.rfc import eventlog, treeobj
from rosin.rfc.idset import Idset
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec.build import from_command, set_attribute
from rosin.testing.chaos.faults import ChaosFaults
from rosin.testing.chaos.world import LOG, PROBE, USABLE

#: Events that a job has at most once.
_ONCE = ("submit", "start", "finish", "clean")


class ChaosChecks(ChaosFaults):
    """A world that is looked over."""

    async def check_survivors(self) -> None:
        """What is left is of one mind, has what was acknowledged, and is of use."""
        await self._check_versions()
        rank = self.random.choice(self.live)
        h = self.clients[rank]
        self.number += 1
        await self._probe(h, rank)
        spec = from_command(["true"])
        set_attribute(spec, "exec.test.run_duration", "0.01s")
        jobid = (await self.wait(f"submit from rank {rank}", submit_async(h, spec), USABLE) or {}).get("id")
        if jobid is not None:
            self.jobs.add(int(jobid))
        await self.until(lambda: all(self.seen[each] == self.number for each in self.live), USABLE)
        if any(self.seen[each] != self.number for each in self.live):
            self.problem(f"watchers have seen {self.seen} and not {self.number}")
        await self._check_members()
        for key in self.random.sample(sorted(self.values), min(3, len(self.values))):
            await self.check_value(h, key)

    async def _probe(self, h: Handle, rank: int) -> None:
        """Store a value, again if it has only just become known that events did not arrive."""
        for _ in range(int(USABLE)):
            txn = KVSTxn(h, namespace=PRIMARY)
            txn.put(PROBE, self.number)
            put = txn.commit_async()
            try:
                if await self.until(put.is_ready, USABLE):
                    put.get()
                    return
            except ConnectionResetError:
                continue
            break
        await self.wait(f"put from rank {rank}", put, 0.0)

    async def _check_versions(self) -> None:
        """All come to the root's version of the KVS by what they have been told, without a new one."""
        roots: dict[int, int | None] = {}
        for _ in range(int(USABLE)):
            for each in self.live:
                answer = await self.wait("kvs.getroot", getroot_async(self.clients[each], PRIMARY))
                roots[each] = (answer or {}).get("rootseq")
            if len(set(roots.values())) == 1:
                return
            await self.tree.advance(1.0)
        self.problem(f"KVS versions differ: {roots}")

    async def _check_members(self) -> None:
        """Everybody knows who is there."""
        online = Idset(self.live).encode()
        h = self.clients[0]
        found: tuple[object, object] = (None, None)
        for _ in range(int(USABLE)):
            group = await self.wait("groups.get", h.rpc("groups.get", {"name": "broker.online"}, 0))
            status = await self.wait("resource.status", h.rpc("resource.status", None, 0))
            found = ((group or {}).get("members"), (status or {}).get("online"))
            if found == (online, online):
                return
            await self.tree.advance(1.0)
        self.problem(f"{online} are there; the group has {found[0]}, resource {found[1]} online")

    async def check_value(self, h: Handle, key: str) -> None:
        answer = await self.wait(f"lookup {key}", lookup_async(h, key, PRIMARY))
        if answer is not None and int(treeobj.val_data(answer["val"])) < self.values[key]:
            self.problem(f"{key}: acknowledged {self.values[key]}, found {treeobj.val_data(answer['val'])!r}")

    # -- the end ------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """All are there again, all jobs end, and nothing is left over."""
        await self.reap()
        await self.restart([rank for rank in range(self.size) if rank not in self.clients])
        h = self.clients[0]
        await self.wait(
            "undrain", h.rpc("resource.undrain", {"targets": f"0-{self.size - 1}", "mode": "update"}, 0)
        )
        await self.wait("job-manager.idle", h.rpc("job-manager.idle", {}), 600.0)
        await self.tree.advance(5.0)
        for jobid in sorted(self.jobs):
            await self._check_job(h, jobid)
        for key in self.values:
            await self.check_value(self.clients[self.random.choice(self.live)], key)
        await self._check_log(h)
        status = await self.wait("sched.resource-status", h.rpc("sched.resource-status", None, 0))
        for name, expected in (("allocated", 0), ("down", 0), ("all", self.size)):
            ranks = [Idset(entry["rank"]) for entry in status[name]["execution"]["R_lite"]]
            if sum(map(len, ranks)) != expected:
                self.problem(f"{name}: {status[name]}")
        for rank in self.live:
            self._check_left(rank)

    async def _check_job(self, h: Handle, jobid: int) -> None:
        answer = await self.wait(f"job {jobid}", lookup_async(h, job_key(jobid, "eventlog"), PRIMARY))
        if answer is None:
            self.problem(f"job {jobid} was acknowledged and is lost")
            return
        events = [event.name for event in eventlog.decode(treeobj.val_data(answer["val"]))]
        count = Counter(events)
        twice = [name for name in _ONCE if count[name] > 1]
        if twice or not count["clean"] or not (count["finish"] or count["exception"]):
            self.problem(f"job {jobid}: {' '.join(events)}")

    async def _check_log(self, h: Handle) -> None:
        answer = await self.wait("log", lookup_async(h, LOG, PRIMARY)) if self.appended else None
        lines = Counter(map(int, treeobj.val_data(answer["val"]).split())) if answer else Counter[int]()
        lost, twice = self.appended - lines.keys(), [number for number in lines if lines[number] > 1]
        if lost or twice:
            self.problem(f"appends: lost {sorted(lost)}, twice {twice}")

    def _check_left(self, rank: int) -> None:
        """Requests between brokers that nobody waits for, and faults in the log."""
        pending = self.tree[rank].links.pending()
        if pending != self.pending[rank]:
            self.problem(
                f"rank {rank}: {pending} requests wait for its neighbours and not {self.pending[rank]}"
            )
        if self.tree[rank].links.children.status != "full":
            self.problem(f"rank {rank}: its part of the tree is {self.tree[rank].links.children.status}")
        for line in self.tree[rank].logged():
            if "Traceback" in line or "Error" in line:
                self.problem(f"rank {rank}: {line}")
