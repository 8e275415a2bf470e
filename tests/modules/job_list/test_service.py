# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-list service, with a job manager that sends what a test tells it to."""

import asyncio
import errno
import json
from pathlib import Path

import pytest

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_ROLE_USER, FLUX_RPC_STREAMING
from rosin.job import JobList, JobListIdRPC, JobStats, get_job, job_list, job_list_id
from rosin.modules.job_list.listings import BATCH
from rosin.modules.job_list.module import JobListModule
from rosin.testing import Instance

RECORDED = Path(__file__).parents[2] / "job" / "table"
SENTINEL = {"id": -1, "events": []}


def lines(name):
    return [json.loads(line) for line in (RECORDED / name).read_text().splitlines()]


class Journal(BrokerModule):
    """job-manager with an events-journal only."""

    name = "job-manager"
    history = ()

    async def start(self):
        self.listeners = []

    @request_handler("events-journal")
    def journal(self, msg):
        assert msg.args["full"] is True
        self.listeners.append(msg)
        for response in self.history:
            self.respond(msg, response)
        return DEFERRED

    def send(self, *responses):
        for response in responses:
            for msg in self.listeners:
                self.respond(msg, response)


class Kvs(BrokerModule):
    """Knows the directories of some jobs."""

    name = "kvs"
    known = frozenset()

    @request_handler("lookup")
    def lookup(self, msg):
        if msg.args["key"] not in self.known:
            raise OSError(errno.ENOENT, "No such file or directory")
        return {"val": {"ver": 1, "type": "dir", "data": {}}}


class Setup:
    def __init__(self, inst, journal, kvs):
        self.inst, self.journal, self.kvs = inst, journal, kvs

    async def send(self, *responses):
        self.journal.send(*responses)
        await self.inst.settle()


def setup(history=(SENTINEL,), config=None):
    class Context:
        async def __aenter__(self):
            self.inst = await Instance(config=config or {}).__aenter__()
            manager = type("Journal", (Journal,), {"history": list(history)})
            journal = await self.inst.load(manager)
            kvs = await self.inst.load(type("Kvs", (Kvs,), {"known": set()}))
            await self.inst.load(JobListModule)
            return Setup(self.inst, journal, kvs)

        async def __aexit__(self, *exc):
            await self.inst.__aexit__(*exc)

    return Context()


def event(event_name, t=2.0, **context):
    return {"timestamp": t, "name": event_name, "context": context}


def submit(jobid, userid=7, t=1.0):
    jobspec = {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0}},
    }
    return {
        "id": jobid,
        "events": [event("submit", t, userid=userid, urgency=16, flags=0, version=1)],
        "jobspec": jobspec,
    }


def more(jobid, *events, **extra):
    return {"id": jobid, "events": list(events), **extra}


PENDING = [event("validate"), event("depend"), event("priority", priority=16)]
ENDED = [event("exception", type="cancel", severity=0, note=""), event("clean", 3.0)]


async def fails(rpc, errnum, text=None):
    with pytest.raises(OSError) as caught:
        await rpc
    assert caught.value.errno == errnum
    if text is not None:
        assert caught.value.strerror == text


async def stream(rpc):
    return [response async for response in rpc]


@pytest.mark.rfc(43, "streaming", "single", "version", "attrs-all", "constraint-default", "list-attrs")
async def test_lists_a_recorded_history_in_both_forms():
    async with setup(lines("journal.jsonl")) as s:
        h = await s.inst.connect()
        request = {"max_entries": 0, "attrs": ["all"], "constraint": {}}
        assert await h.rpc("job-list.list", request) == {"jobs": lines("listing.jsonl")}
        answers = await stream(h.rpc("job-list.list", request, flags=FLUX_RPC_STREAMING))
        assert answers == [{"jobs": lines("listing.jsonl"), "version": 1}]
        nothing = {"max_entries": 0, "attrs": [], "constraint": {"userid": [5]}}
        assert await stream(h.rpc("job-list.list", nothing, flags=FLUX_RPC_STREAMING)) == []
        assert await job_list(h, attrs=["name"], userid=0, states=64, max_entries=2).jobs() == [
            {"id": job["id"], "name": job["name"]} for job in lines("listing.jsonl")[4:6]
        ]
        legacy = {"max_entries": 0, "attrs": [], "userid": 0, "states": 16, "results": 0}
        assert len((await h.rpc("job-list.list", legacy))["jobs"]) == 2
        attrs = (await h.rpc("job-list.list-attrs"))["attrs"]
        assert attrs[0] == "userid"
        assert attrs[-1] == "all"
        assert len(attrs) == 33


@pytest.mark.rfc(43, "streaming", "version", "max-entries")
async def test_many_jobs_come_in_batches_and_can_be_cancelled():
    total = 3 * BATCH + 17
    history = [
        more(n, *submit(n)["events"], *PENDING, *ENDED, jobspec=submit(n)["jobspec"])
        for n in range(1, total + 1)
    ]
    async with setup([*history, SENTINEL]) as s:
        h = await s.inst.connect()
        rpc = job_list(h, max_entries=0, attrs=["state"], userid=7)
        answers = await stream(rpc)
        assert [len(answer["jobs"]) for answer in answers] == [BATCH, BATCH, BATCH, 17]
        assert [answer.get("version") for answer in answers] == [1, None, None, None]
        assert [job["id"] for answer in answers for job in answer["jobs"]] == list(range(total, 0, -1))
        cancelled = job_list(h, max_entries=0, attrs=["all"], userid=7)
        cancelled.cancel("job-list.cancel")
        assert len(await stream(cancelled)) < 4
        limited = job_list(h, max_entries=5, userid=7)
        assert len(await limited.jobs()) == 5


@pytest.mark.rfc(43, "unknown-attribute")
@pytest.mark.parametrize(
    ("request_", "errnum", "text"),
    [
        ({"max_entries": -1, "attrs": []}, errno.EPROTO, "invalid payload: max_entries < 0 not allowed"),
        ({"max_entries": 0, "attrs": ["zz"]}, errno.EINVAL, "zz is not a valid attribute"),
        ({"max_entries": 0, "attrs": [5]}, errno.EINVAL, "attr has no string value"),
        ({"attrs": []}, errno.EPROTO, None),
        ({"max_entries": 0}, errno.EPROTO, None),
        ({"max_entries": 0, "attrs": 5}, errno.EPROTO, "invalid payload: attrs must be an array"),
        (
            {"max_entries": 0, "attrs": [], "since": -1.0},
            errno.EPROTO,
            "invalid payload: since < 0.0 not allowed",
        ),
        ({"max_entries": 0, "attrs": [], "since": "x"}, errno.EPROTO, None),
        (
            {"max_entries": 0, "attrs": [], "constraint": {"foo": [1]}},
            errno.EPROTO,
            "invalid payload: constraint object invalid: unknown constraint operator: foo",
        ),
        (None, errno.EPROTO, None),
        ("[]", errno.EPROTO, None),
    ],
)
async def test_bad_list_requests(request_, errnum, text):
    async with setup() as s:
        h = await s.inst.connect()
        await fails(h.rpc("job-list.list", request_), errnum, text)
        await fails(h.rpc("job-list.list", request_, flags=FLUX_RPC_STREAMING), errnum, text)


@pytest.mark.rfc(43, "list-id", "id-always")
async def test_list_id_waits_for_jobs_that_are_on_their_way():
    async with setup() as s:
        h = await s.inst.connect()
        await fails(job_list_id(h, 5), errno.ENOENT)
        s.kvs.known.add("job.0000.0000.0000.0005")
        first, second = job_list_id(h, 5, ["state"]), job_list_id(h, 5, ["userid"])
        await s.inst.settle()
        assert not first.is_ready()
        await s.send(submit(5))
        assert not first.is_ready()  # a job is shown once it is valid
        await s.send(more(5, *PENDING))
        assert (await first)["job"] == {"id": 5, "state": 8}
        assert (await second)["job"] == {"id": 5, "userid": 7}
        third = job_list_id(h, 6)
        s.kvs.known.add("job.0000.0000.0000.0006")
        await s.inst.settle()
        await s.send(submit(6), more(6, event("invalidate")))
        await fails(third, errno.ENOENT)
        stats = await h.rpc("job-list.stats-get")
        assert stats == {
            "jobs": {"pending": 1, "running": 0, "inactive": 0},
            "idsync": {"lookups": 0, "waits": 0},
            "stats_watchers": 0,
        }


@pytest.mark.rfc(43, "list-id-state")
async def test_list_id_waits_for_a_state():
    async with setup([submit(5), more(5, *PENDING), SENTINEL]) as s:
        h = await s.inst.connect()

        def ask(state):
            return h.rpc("job-list.list-id", {"id": 5, "attrs": ["state"], "state": state})

        assert (await ask(2))["job"]["state"] == 8
        run, inactive, cleanup = ask(16), ask(64), ask(32)
        await s.inst.settle()
        assert not run.is_ready()
        assert (await h.rpc("job-list.stats-get"))["idsync"]["waits"] == 1
        await s.send(more(5, event("alloc"), R={}))
        assert (await run)["job"]["state"] == 16
        await s.send(more(5, *ENDED))
        assert (await inactive)["job"]["state"] == (await cleanup)["job"]["state"] == 64
        assert (await ask(4))["job"]["state"] == 64  # an inactive job is always answered
        await fails(ask(1), errno.EPROTO, "invalid payload: invalid state specified")
        await fails(h.rpc("job-list.list-id", {"id": "x", "attrs": []}), errno.EPROTO)
        await fails(job_list_id(h, 5, ["zz"]), errno.EINVAL, "zz is not a valid attribute")


async def test_waits_end_with_their_client():
    async with setup([submit(5), more(5, *PENDING), SENTINEL]) as s:
        h, other = await s.inst.connect(), await s.inst.connect()
        other.rpc("job-list.list-id", {"id": 5, "attrs": [], "state": 64})
        other.rpc("job-list.job-stats", {}, flags=FLUX_RPC_STREAMING)
        await s.inst.settle()
        stats = await h.rpc("job-list.stats-get")
        assert (stats["idsync"]["waits"], stats["stats_watchers"]) == (1, 1)
        await other.close()
        await s.inst.settle()
        stats = await h.rpc("job-list.stats-get")
        assert (stats["idsync"]["waits"], stats["stats_watchers"]) == (0, 0)


async def test_requests_before_the_end_of_the_history_wait():
    async with Instance() as inst:
        journal = await inst.load(type("J", (Journal,), {"history": lines("journal.jsonl")[:-1]}))
        loading = asyncio.ensure_future(inst.load(JobListModule))
        await inst.settle()
        h = await inst.connect()
        rpcs = [
            h.rpc("job-list.list", {"max_entries": 0, "attrs": ["all"]}),
            h.rpc("job-list.job-stats"),
            job_list_id(h, lines("listing.jsonl")[0]["id"]),
        ]
        await inst.settle()
        assert not any(rpc.is_ready() for rpc in rpcs)
        journal.send(SENTINEL)
        await loading
        assert (await rpcs[0])["jobs"] == lines("listing.jsonl")
        assert (await rpcs[1])["job_states"]["total"] == 9
        assert (await rpcs[2])["job"] == lines("listing.jsonl")[0]


async def test_load_fails_without_a_job_manager():
    async with Instance() as inst:
        with pytest.raises(OSError) as caught:
            await inst.load(JobListModule)
        assert caught.value.errno == errno.ENOSYS


async def test_stats_stream_reports_changes_but_not_each():
    async with setup() as s:
        h = await s.inst.connect()
        rpc = h.rpc("job-list.job-stats", {}, flags=FLUX_RPC_STREAMING)
        states = []
        rpc.listen(lambda rpc: states.append(None))
        await s.inst.settle()
        assert (await rpc)["job_states"]["total"] == 0
        rpc.reset()
        for jobid in range(1, 101):
            await s.send(submit(jobid), more(jobid, *PENDING))
        assert len(states) == 1
        await s.inst.advance(0.25)
        assert len(states) == 2
        assert (await rpc)["job_states"]["sched"] == 100
        rpc.reset()
        await s.inst.advance(10)
        assert len(states) == 2
        rpc.cancel("job-list.job-stats-cancel")
        await fails(rpc, errno.ENODATA)


async def test_purge_event():
    history = [more(n, *submit(n)["events"], *PENDING, *ENDED) for n in (1, 2, 3)]
    async with setup([*history, SENTINEL]) as s:
        h = await s.inst.connect()
        await h.publish("job-purge-inactive", {"jobs": [1, 3, 99]})
        await s.inst.settle()
        jobs = await job_list(h, userid=7, attrs=[]).jobs()
        assert jobs == [{"id": 2}]
        assert (await h.rpc("job-list.job-stats"))["inactive_purged"] == 2
        await fails(job_list_id(h, 1), errno.ENOENT)


@pytest.mark.rfc(43, "private-list", "private-list-id")
async def test_private_mode_hides_the_jobs_of_others():
    history = [submit(1, userid=500), more(1, *PENDING), submit(2, userid=600), more(2, *PENDING), SENTINEL]
    async with setup(history, {"access": {"private-mode": True}}) as s:
        guest = await s.inst.connect(userid=500, rolemask=FLUX_ROLE_USER)
        owner = await s.inst.connect()
        everything = {"max_entries": 0, "attrs": []}
        assert (await owner.rpc("job-list.list", everything))["jobs"] == [{"id": 1}, {"id": 2}]
        assert (await guest.rpc("job-list.list", everything))["jobs"] == [{"id": 1}]
        sneaky = {**everything, "constraint": {"or": [{"userid": [600]}, {"userid": [-1]}]}}
        assert (await guest.rpc("job-list.list", sneaky))["jobs"] == [{"id": 1}]
        assert (await job_list_id(guest, 1, []))["job"] == {"id": 1}
        await fails(job_list_id(guest, 2), errno.ENOENT)
        await fails(guest.rpc("job-list.list-id", {"id": 2, "attrs": [], "state": 64}), errno.ENOENT)
        await fails(guest.rpc("job-list.job-stats"), errno.EPERM)
        await fails(guest.rpc("job-list.stats-get"), errno.EPERM)
        public = (await owner.rpc("job-list.stats-get"))["jobs"]
        assert public["pending"] == 2


async def test_guests_see_all_jobs_otherwise():
    async with setup([submit(1, userid=500), more(1, *PENDING), SENTINEL]) as s:
        guest = await s.inst.connect(userid=600, rolemask=FLUX_ROLE_USER)
        assert (await guest.rpc("job-list.list", {"max_entries": 0, "attrs": []}))["jobs"] == [{"id": 1}]
        assert (await guest.rpc("job-list.job-stats"))["job_states"]["sched"] == 1


@pytest.mark.rfc(43, "comparison-limit")
async def test_excessive_comparisons_are_refused():
    history = [more(n, *submit(n)["events"], *PENDING, *ENDED) for n in range(1, 51)]
    async with setup([*history, SENTINEL], {"job-list": {"max_comparisons": 60}}) as s:
        h = await s.inst.connect()
        assert len(await job_list(h, userid=7, max_entries=0).jobs()) == 50
        two = {"and": [{"t_inactive": ["<5"]}, {"t_submit": [">0"]}]}
        text = "Excessive comparisons made, limit search via states or since"
        await fails(job_list(h, userid=7, max_entries=0, constraint=two), errno.EINVAL, text)
        assert len(await job_list(h, userid=7, max_entries=5, constraint=two).jobs()) == 5


async def test_bad_configuration_is_refused():
    async with setup() as s:
        h = await s.inst.connect()
        for bad, errnum in (
            ({"job-list": {"max_comparisons": -1}}, errno.EINVAL),
            ({"queues": {"q": {"parent": 5}}}, errno.EINVAL),
            ({"access": {"private-mode": 5}}, errno.EINVAL),
        ):
            await fails(h.rpc("job-list.config-reload", bad), errnum)
        await h.rpc("job-list.config-reload", {"queues": {"q": {}}})
        assert [queue["name"] for queue in (await h.rpc("job-list.job-stats"))["queues"]] == ["q"]


async def test_a_bad_journal_event_costs_one_job_only():
    async with setup() as s:
        h = await s.inst.connect()
        await s.send({"id": "x"}, {"id": 9, "events": [event("alloc")]}, submit(5), more(5, *PENDING))
        jobs = await job_list(h, userid=7, attrs=[]).jobs()
        assert jobs == [{"id": 5}]


async def test_api_objects_are_what_the_service_sends():
    async with setup(lines("journal.jsonl")) as s:
        h = await s.inst.connect()
        calls = JobList(h, ids=[lines("listing.jsonl")[3]["id"], 12345], attrs=["name"]).fetch_jobs()
        await calls
        assert [job.name for job in calls.get_jobinfos()] == ["sleep"]
        assert calls.errors == ["JobID 12345 unknown"]
        direct = JobListIdRPC(
            h, "job-list.list-id", {"id": lines("listing.jsonl")[0]["id"], "attrs": ["all"]}
        )
        await direct
        assert direct.get_job() == lines("listing.jsonl")[0]
        stats = JobStats(h)
        await stats.update()
        await s.inst.settle()
        assert (stats.inactive, stats.failed, stats.active) == (5, 4, 4)
        assert get_job.__doc__
