# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whatever users and their bank do: no limit is exceeded, and no job waits that may start."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rosin.accounting.limits import obstacle
from rosin.constants import FLUX_JOB_STATE_DEPEND, FLUX_JOB_STATE_RUN, FLUX_JOB_STATE_SCHED
from rosin.modules.job_manager import control, restart, update
from rosin.modules.job_manager.plugins import load

from .bench import Bench, make_jobspec

USERS = (2001, 2002)
BANKS = ("A", "B")
LIMITS = st.one_of(st.none(), st.integers(0, 3))


class Accounts(RuleBasedStateMachine):
    """Two users in two banks."""

    @initialize()
    def begin(self):
        memory = Path("/dev/shm")  # a disk is waited for
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.bench = Bench()
        self.load()
        for row in ({"bank": "root"}, *({"bank": bank, "parent": "root"} for bank in BANKS)):
            self.plugin.ledger.add("bank", row)
        for userid in USERS:
            for bank in BANKS:
                self.plugin.ledger.add("user", {"userid": userid, "username": f"u{userid}", "bank": bank})

    def load(self):
        stack = self.bench.manager.jobtap
        load.load(stack, "accounting", {"database": f"{self.folder.name}/db", "period": 0})
        self.plugin: Any = stack.plugins[-1]
        self.bench.online()

    def teardown(self):
        if hasattr(self, "plugin"):
            self.plugin.store.close()
            self.folder.cleanup()

    @staticmethod
    def refused(error, text):
        assert text in error.strerror

    def jobs(self, states):
        return [job for job in self.bench.manager.active.values() if job.state & states]

    @rule(user=st.sampled_from(USERS), bank=st.sampled_from([None, *BANKS]), later=st.booleans())
    def submit(self, user, bank, later):
        system = {} if bank is None else {"bank": bank}
        if later:
            begin = str(self.bench.port.time + 5.0)
            system["dependencies"] = [{"scheme": "begin-time", "value": begin}]
        try:
            self.bench.submit(make_jobspec(60.0, **system), userid=user)
        except OSError as error:
            self.refused(error, "max")
        self.bench.settle()

    @rule(
        user=st.sampled_from(USERS), bank=st.sampled_from(BANKS), running=LIMITS, active=LIMITS, cores=LIMITS
    )
    def edit(self, user, bank, running, active, cores):
        values = {"max_running_jobs": running, "max_active_jobs": active, "max_cores": cores}
        self.plugin.ledger.edit("user", [user, bank], values)
        self.plugin.refresh()

    @rule(data=st.data())
    def start(self, data):
        waiting = list(self.bench.manager.alloc.sent.values())
        if waiting:
            self.bench.alloc(data.draw(st.sampled_from(waiting)).id)
            self.bench.settle()

    @rule(data=st.data())
    def end(self, data):
        running = [job for job in self.jobs(FLUX_JOB_STATE_RUN) if job.start_pending]
        if running:
            id = data.draw(st.sampled_from(running)).id
            self.bench.exec(id, "start")
            self.bench.exec(id, "finish", status=0)
            self.bench.exec(id, "release", ranks="all", final=True)
            self.bench.settle()

    @rule(data=st.data())
    def cancel(self, data):
        pending = self.jobs(FLUX_JOB_STATE_DEPEND | FLUX_JOB_STATE_SCHED)
        if pending:
            job = data.draw(st.sampled_from(pending))
            self.bench.manager.except_(job, "cancel", 0)
            self.bench.settle()
            if job.alloc_pending:
                self.bench.alloc(job.id, type=3)
            self.bench.settle()

    @rule(data=st.data(), urgency=st.integers(1, 30))
    def urge(self, data, urgency):
        pending = self.jobs(FLUX_JOB_STATE_DEPEND)
        if pending:
            payload = {"id": data.draw(st.sampled_from(pending)).id, "urgency": urgency}
            control.urgency(self.bench.manager, self.bench.request(payload=payload))
            self.bench.settle()

    @rule(data=st.data(), bank=st.sampled_from(BANKS))
    def move(self, data, bank):
        pending = self.jobs(FLUX_JOB_STATE_DEPEND)
        if pending:
            job = data.draw(st.sampled_from(pending))
            payload = {"id": job.id, "updates": {"attributes.system.bank": bank}}
            try:
                update.update(self.bench.manager, self.bench.request(payload=payload))
            except OSError as error:
                self.refused(error, "limit")
            self.bench.settle()

    @rule()
    def wait(self):
        self.bench.port.advance(5.0)
        self.bench.settle()

    @rule()
    def restart(self):
        """Of the job manager, when nothing runs."""
        if self.jobs(FLUX_JOB_STATE_RUN):
            return
        stored = [
            (job.id, b"".join(line + b"\n" for line in job.lines), job.jobspec)
            for job in self.bench.manager.active.values()
        ]
        self.plugin.store.close()
        time, number = self.bench.port.time, self.bench.next_id
        self.bench = Bench()
        self.bench.port.time, self.bench.next_id = time, number
        self.load()
        for id, lines, jobspec in stored:
            job = restart.replay(id, lines, jobspec, None)
            assert job is not None
            restart.load(self.bench.manager, job)
        restart.resume(self.bench.manager)
        self.bench.settle()

    @invariant()
    def nobody_is_counted_twice_or_not_at_all(self):
        if not hasattr(self, "plugin"):
            return
        counted = [id for tally in self.plugin.tallies.values() for id in tally.active]
        assert sorted(counted) == sorted(self.bench.manager.active)
        for key, tally in self.plugin.tallies.items():
            held = {id for _, id in self.plugin._held.get(key, ())}
            assert tally.taken.keys() | held == tally.active
            assert not tally.taken.keys() & held
            assert (tally.nodes, tally.cores) == tuple(
                sum(size[at] for size in tally.taken.values()) for at in (0, 1)
            )

    @invariant()
    def nobody_waits_who_may_start(self):
        if not hasattr(self, "plugin"):
            return
        for job in self.jobs(FLUX_JOB_STATE_DEPEND):
            waits = set(job.dependencies or ())
            own = self.plugin._holds[job.id][0] if job.id in self.plugin._holds else None
            assert own is None or own in waits
            if own is not None and waits == {own}:
                key = self.plugin.aux(job)["key"]
                user = self.plugin.ledger.association(*key)
                places = [id for _, id in self.plugin._held[key]]
                ready = [id for id in places if len(self.bench.job(id).dependencies) == 1]
                if job.id == ready[0]:
                    size = self.plugin.tallies[key]
                    from rosin.modules.job_manager.plugins.accounting import _demand

                    assert obstacle(size, user, None, _demand(job)) is not None


TestAccounts = Accounts.TestCase
TestAccounts.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, phases=[Phase.generate]
)
