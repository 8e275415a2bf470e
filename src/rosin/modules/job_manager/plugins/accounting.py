# SPDX-License-Identifier: LGPL-3.0-or-later
"""Accounts: who may run jobs in which bank, how much at a time, and who is next (``accounting``).

The database is :mod:`rosin.accounting`'s. A job of an association that has what it may have waits by a
dependency that names the limit; its priority is a weighted sum of fair share, queue, bank and urgency.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any

from rosin.accounting.ledger import NEUTRAL, Ledger
from rosin.accounting.limits import ALL, OF_QUEUES, JobSize, Tally, first_limit, obstacle, too_large
from rosin.accounting.store import AccountingStore, JobRecord
from rosin.constants import (
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_RUNNING,
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
)
from rosin.modules.job_manager.job import system_attribute
from rosin.modules.job_manager.plugins.accounting_service import AccountingService
from rosin.modules.job_manager.plugins.api import Reject, callback
from rosin.modules.job_manager.plugins.limits import resource_counts
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.accounting.rows import Association
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.plugins.api import Update
    from rosin.modules.job_manager.port import PortTimer

    Key = tuple[int, str]

BANK = "attributes.system.bank"
_QUEUE = "attributes.system.queue"
#: Seconds from a write to its commit, and from the use of something to new fair shares unless told otherwise.
_COMMIT = 1.0
_PERIOD = 60.0
#: Jobs that ended so long (seconds) before the last one that is known may have been missed by a crash.
_SLACK = 60.0
#: Seconds for which the database has the jobs that were.
_KEPT = 26 * 7 * 86400.0


class Accounting(AccountingService):
    """The database, and what the active jobs of each association are."""

    name = "accounting"

    def start(self) -> None:
        path, self._period = _settings(self.conf)
        self.store = AccountingStore(path)
        self.ledger = Ledger(self.store)
        self.ledger.calculate(self.now())
        self._since = self.store.newest() - _SLACK if self.store.newest() else self.now()
        self.tallies: dict[Key, Tally] = {}
        #: The jobs of each that are held, in the order in which they are let go: (-urgency, id).
        self._held: dict[Key, list[tuple[int, int]]] = {}
        #: The dependency by which a job is held, and its place.
        self._holds: dict[int, tuple[str, tuple[int, int]]] = {}
        self._committing: PortTimer | None = None
        self._refreshing: PortTimer | None = None

    def stop(self) -> None:
        if not hasattr(self, "store"):
            return  # it could not be opened
        if not self.manager.jobtap.has(self):  # nobody would ever let them go
            for id, (description, _) in list(self._holds.items()):
                job = self.manager.active.get(id)
                if job is not None:
                    self.dependency_remove(job, description)
        self.store.close()

    # -- which jobs are taken -------------------------------------------------------------------------

    @callback("job.validate")
    def validate(self, job: Job) -> None:
        """Refuse jobs of those who have no account, and what their account does not allow."""
        user = self._user(job)
        if user is None:
            return
        demand = _demand(job)
        if demand.queue and user.queues and demand.queue not in user.queues.split(","):
            raise Reject(f'queue "{demand.queue}" not valid for user; valid queues for user: {user.queues}')
        text = too_large(user, self.ledger.queue(demand.queue), demand)
        if text is not None:
            raise Reject(text)
        if job.state == FLUX_JOB_STATE_NEW and self._is_full(user):
            raise Reject("user has max active jobs")

    def _user(self, job: Job) -> Association | None:
        """Who pays for *job*; None for the instance owner, who needs no account. Raises :class:`Reject`."""
        bank = system_attribute(job.jobspec, "bank")
        if bank is not None and not isinstance(bank, str):
            raise Reject(f"{BANK}: expected a string")
        user = self.ledger.association(job.userid, bank)
        if user is None:
            if job.userid == self.manager.owner and bank is None:
                return None
            raise Reject(f"cannot find user/bank or user/default bank entry for uid: {job.userid}")
        above = self.ledger.bank(user.bank)
        if not user.active or above is None or not above.active:
            raise Reject(f"user/bank entry has been disabled: {user.username}/{user.bank}")
        return user

    def _is_full(self, user: Association) -> bool:
        tally = self._tally((user.userid, user.bank))
        return user.max_active_jobs is not None and len(tally.active) >= user.max_active_jobs

    def _tally(self, key: Key) -> Tally:
        return self.tallies.setdefault(key, Tally())

    # -- which jobs may start -------------------------------------------------------------------------

    @callback("job.new")
    def new(self, job: Job) -> None:
        """Count *job*, and note its bank if it is the default one."""
        try:
            user = self._user(job)
        except Reject:
            return  # it was taken before its user's account was closed
        if user is None:
            return
        if job.state == FLUX_JOB_STATE_NEW and system_attribute(job.jobspec, "bank") is None:
            self.jobspec_update(job, {BANK: user.bank})
        self._enter(job, (user.userid, user.bank))

    def _enter(self, job: Job, key: Key) -> None:
        self.aux(job)["key"] = key
        tally = self._tally(key)
        tally.active.add(job.id)
        held = ALL.intersection(job.dependencies or ())
        if job.state > FLUX_JOB_STATE_DEPEND:
            tally.take(job.id, _demand(job))
        elif held:
            self._hold(job, key, min(held))

    @callback("job.state.depend")
    def depend(self, job: Job) -> None:
        """Let *job* wait if its association has what it may have, or if it has to wait anyway."""
        key: Key | None = self.aux(job).get("key")
        user = None if key is None else self.ledger.association(*key)
        if key is None or user is None or job.id in self._holds:
            return
        tally, demand = self._tally(key), _demand(job)
        queue = self.ledger.queue(demand.queue)
        reason = obstacle(tally, user, queue, demand)
        if reason is None and (job.dependencies or self._held.get(key)):
            reason = first_limit(user, queue)  # what may not start yet takes nobody's place, nor overtakes
        if reason is None:
            tally.take(job.id, demand)
        else:
            self._hold(job, key, reason)
            self.dependency_add(job, reason)

    def _hold(self, job: Job, key: Key, description: str) -> None:
        place = (-job.urgency, job.id)
        self._holds[job.id] = (description, place)
        insort(self._held.setdefault(key, []), place)
        self.subscribe(job)

    @callback("job.event.dependency-add", "job.event.dependency-remove")
    def waits(self, job: Job, _entry: dict[str, Any]) -> None:
        """*job*, which is held, waits for more or for less."""
        key = self.aux(job).get("key")
        if job.id in self._holds and key is not None:
            self._advance(key)

    @callback("job.event.urgency")
    def urged(self, job: Job, _entry: dict[str, Any]) -> None:
        """*job* has another place among those that are held."""
        key = self.aux(job).get("key")
        if job.id in self._holds and key is not None:
            self._hold(job, key, self._forget(job.id, key) or "")
            self._advance(key)

    def _advance(self, key: Key) -> None:
        """Let jobs of an association go, in their order, as far as the limits allow it."""
        user, full, at = self.ledger.association(*key), set[str | None](), 0
        places = self._held.get(key, [])
        while at < len(places):
            job = self.manager.active.get(places[at][1])
            at += 1
            # One that has just been held goes when that is in its log; one that waits for more, after it.
            if job is None or list(job.dependencies or ()) != [self._holds[job.id][0]]:
                continue
            demand = _demand(job)
            queue = self.ledger.queue(demand.queue)
            reason = None if user is None else obstacle(self._tally(key), user, queue, demand)
            if reason in OF_QUEUES or demand.queue in full:
                full.add(demand.queue)
            elif reason is not None:
                return
            else:
                at -= 1
                self._tally(key).take(job.id, demand)
                self.dependency_remove(job, self._forget(job.id, key) or "")

    def _forget(self, id: int, key: Key) -> str | None:
        """The job *id* is not held any more; by what it was."""
        description, place = self._holds.pop(id, (None, None))
        if place is not None:
            places = self._held[key]
            del places[bisect_left(places, place)]
        return description

    @callback("job.destroy")
    def gone(self, job: Job) -> None:
        """*job* was refused, or is over: others may start."""
        self._leave(job)

    def _leave(self, job: Job) -> Key | None:
        key: Key | None = self.aux(job).pop("key", None)
        if key is not None:
            tally = self._tally(key)
            tally.active.discard(job.id)
            tally.drop(job.id)
            self._forget(job.id, key)
            self._advance(key)
            if not tally.active:
                self.tallies.pop(key, None)
                self._held.pop(key, None)
        return key

    # -- priority -------------------------------------------------------------------------------------

    @callback("job.state.priority", "job.priority.get")
    def priority(self, job: Job) -> int | None:
        """The weighted sum; held and expedited jobs are as they always are."""
        if job.urgency in (FLUX_JOB_URGENCY_HOLD, FLUX_JOB_URGENCY_EXPEDITE):
            return None
        ledger, key = self.ledger, self.aux(job).get("key")
        bank = None if key is None else ledger.bank(key[1])
        queue = ledger.queue(job.queue)
        value = (
            ledger.weight("fairshare") * ledger.fair_share.get(key, NEUTRAL)
            + ledger.weight("queue") * (queue.priority if queue is not None else 0)
            + ledger.weight("bank") * (bank.priority if bank is not None else 0)
            + ledger.weight("urgency") * (job.urgency - FLUX_JOB_URGENCY_DEFAULT)
        )
        return int(min(max(round(value), 1), FLUX_JOB_PRIORITY_MAX - 1))  # 0 would be held

    # -- updates --------------------------------------------------------------------------------------

    @callback(f"job.update.{BANK}")
    def update_bank(self, job: Job, update: Update) -> None:
        """May *job* change to another bank?"""
        if job.state & FLUX_JOB_STATE_RUNNING:
            raise Reject("update of bank for running job not supported")
        if not isinstance(update.value, str):
            raise Reject("bank: expected a string")
        user = self.ledger.association(job.userid, update.value)
        if user is None:
            raise Reject(f"cannot find user/bank entry for uid/bank: {job.userid}/{update.value}")
        if self.aux(job).get("key") != (user.userid, user.bank):
            if self._is_full(user):
                raise Reject("new bank is already at max-active-jobs limit")
            self._check_place(job, user, _demand(job), f"bank {user.bank}")

    @callback(f"job.update.{_QUEUE}")
    def update_queue(self, job: Job, update: Update) -> None:
        """May *job* change to another queue? Other plugins have said that there is one."""
        user = self._user(job)
        if user is not None:
            self._check_place(job, user, _demand(job)._replace(queue=update.value), f"queue {update.value}")

    def _check_place(self, job: Job, user: Association, demand: JobSize, where: str) -> None:
        """A job that may start at any time finds its place taken. Raises :class:`Reject`."""
        tally = self._tally((user.userid, user.bank))
        others = Tally()
        for id, other in tally.taken.items():
            if id != job.id:
                others.take(id, other)
        reason = obstacle(others, user, self.ledger.queue(demand.queue), demand)
        if reason is not None and job.id not in self._holds:
            raise Reject(f"updating to {where} is not allowed while it is at its limit ({reason}); try later")

    @callback("job.update")
    def updated(self, job: Job, updates: dict[str, Any]) -> None:
        """*job* has changed to another bank or queue: count it there."""
        if BANK not in updates and _QUEUE not in updates:
            return
        key = self.aux(job).get("key")
        bank = system_attribute(job.jobspec, "bank")
        if key is None or not isinstance(bank, str):
            return
        self._leave(job)
        self._enter(job, (job.userid, bank))
        if job.state == FLUX_JOB_STATE_DEPEND:
            self.depend(job)
        self._advance((job.userid, bank))

    # -- usage ----------------------------------------------------------------------------------------

    @callback("job.inactive-add")
    def over(self, job: Job) -> None:
        """*job* is over, or was when this began, perhaps after the last that the database has."""
        bank = system_attribute(job.jobspec, "bank")
        if job.R is None or not isinstance(bank, str):
            return
        if "key" not in self.aux(job) and job.t_clean < self._since:
            return
        if self.ledger.association(job.userid, bank) is None:
            return
        record = self._record(job, job.R, bank)
        if self.store.add_job(record):
            self.ledger.charge((job.userid, bank), record.usage, job.t_clean)
            self.written()
            self.refresh_later()

    def _record(self, job: Job, R: dict[str, Any], bank: str) -> JobRecord:
        held = ResourceSet.decode(R)
        seconds = max(0.0, job.t_clean - held.starttime) if held.starttime > 0 else 0.0
        nodes, cores, gpus = held.nnodes, held.ncores, held.ngpus
        weight = self.ledger.weight
        usage = (nodes * weight("node") + cores * weight("core") + gpus * weight("gpu")) * seconds
        start = job.t_clean - seconds
        return JobRecord(
            job.id, job.userid, bank, job.queue or "", nodes, cores, gpus, start, job.t_clean, usage
        )

    def written(self) -> None:
        """Something was written: commit it soon, with what else comes."""
        if self._committing is None:
            self._committing = self.later(_COMMIT, self._commit)

    def _commit(self) -> None:
        self._committing = None
        self.store.commit()

    def refresh_later(self) -> None:
        """Something was used: fair shares are calculated now and then."""
        if self._refreshing is None:
            self._refreshing = self.later(self._period, self._refresh)

    def _refresh(self) -> None:
        self._refreshing = None
        self.store.scrub(self.now() - _KEPT)
        self.written()
        self.refresh()

    def refresh(self) -> None:
        """Calculate fair shares and priorities anew, and let go what may start."""
        self.ledger.calculate(self.now())
        for key in list(self._held):
            self._advance(key)
        self.manager.reprioritize_all()


def _demand(job: Job) -> JobSize:
    counts = resource_counts(job.jobspec)
    queue = system_attribute(job.jobspec, "queue")
    return JobSize(max(1, counts["nnodes"]), counts["ncores"], queue if isinstance(queue, str) else None)


def _settings(conf: dict[str, Any]) -> tuple[str, float]:
    """The path of the database, and the seconds between fair shares. Raises :class:`Reject`."""
    unknown = conf.keys() - {"database", "period"}
    if unknown:
        raise Reject(f"{min(unknown)}: unknown setting (known: database, period)")
    path, period = conf.get("database"), conf.get("period", _PERIOD)
    if not isinstance(path, str) or not path.startswith("/"):
        raise Reject("database: expected the path of a file, as in database=/var/lib/rosin/accounting.sqlite")
    if isinstance(period, bool) or not isinstance(period, int | float) or not 0 <= period <= 86400:
        raise Reject(f"period: expected seconds from 0 to 86400, got {period!r:.40}")
    return path, float(period)
