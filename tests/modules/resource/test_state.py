# SPDX-License-Identifier: LGPL-3.0-or-later
"""The pure parts of the resource service: drain state, host map, availability, journal."""

import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.modules.resource import inventory
from rosin.modules.resource.availability import Acquisition, Availability
from rosin.modules.resource.drain import MODES, DrainState
from rosin.modules.resource.hosts import HostMap
from rosin.modules.resource.journal import ResourceJournal
from rosin.modules.resource.settings import ResourceSettings
from rosin.process.topology import MachineTopology, PhysicalCore
from rosin.resource.definition import from_topology
from rosin.resource.verify import Verification
from rosin.rfc import resource_events
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

HOSTS = HostMap(["a", "b", "c", "c"])


@pytest.mark.parametrize(
    ("ranks", "nodelist", "now"),
    [
        ("0-1", "a,b", "0-1"),
        ("0", "b", "1"),  # the host has another rank now
        ("3", "c", "3"),  # second broker of its host
        ("0", "c", "2"),  # first rank of the host
        ("0", "gone", ""),
        ("9", "a", "0"),
        ("9", "gone", ""),
        ("1-2", "b", "1-2"),  # a nodelist that is too short: ranks are taken as they are
    ],
)
def test_recorded_ranks_are_found_again(ranks, nodelist, now):
    assert HOSTS.place(Idset(ranks), Hostlist(nodelist)).encode() == now


def test_hosts_are_those_of_r_and_else_of_the_brokers():
    rset = ResourceSet()
    rset.add_rank(1, "mine", 1)
    rset.add_rank(4, "more", 1)
    hosts = HostMap.of(rset, "a,b,c", 3)
    assert hosts.hosts == ["a", "mine", "c", "", "more"]
    assert hosts.named().encode() == "0-2,4"
    assert hosts.ranks("more").encode() == "4"


def test_targets():
    assert HOSTS.ranks("0-2").encode() == "0-2"
    assert HOSTS.ranks("c,a").encode() == "0,2-3"
    assert HOSTS.names(Idset("1-3")).encode() == "b,c,c"
    for bad in ("", "4", "x", "a[", "[]"):
        with pytest.raises(OSError) as info:
            HOSTS.ranks(bad)
        assert info.value.errno == errno.EINVAL


@pytest.mark.parametrize(("overwrite", "expected"), [(0, (5.0, "old")), (1, (5.0, "new")), (2, (9.0, "new"))])
@pytest.mark.rfc(44, "overwrite")
def test_overwrite(overwrite, expected):
    """RFC 44: 0 changes nothing, 1 the reason, 2 reason and time."""
    state = DrainState(HOSTS)
    state.apply(resource_events.drain(Idset("0"), Hostlist("a"), 0, "old", 5.0))
    state.apply(resource_events.drain(Idset("0"), Hostlist("a"), overwrite, "new", 9.0))
    (entry,) = state.info().values()
    assert (entry["timestamp"], entry["reason"]) == expected


actions = st.lists(
    st.tuples(
        st.sampled_from(["drain", "undrain"]),
        st.sets(st.integers(0, 3), min_size=1),
        st.sampled_from([None, *MODES]),
        st.sampled_from([None, "x", "y"]),
    )
)


@given(actions)
def test_replay_gives_the_same_state(plan):
    """What the log and the checkpoint say after a restart is what was true before."""
    live = DrainState(HOSTS)
    events = []
    for now, (name, ranks, mode, reason) in enumerate(plan, 1):
        try:
            if name == "drain":
                entry = live.drain(Idset(ranks), mode, reason, Idset(), float(now))
            else:
                entry = live.undrain(Idset(ranks), mode, reason, float(now))
        except OSError as error:
            assert error.errno == errno.EEXIST  # noqa: PT017
            assert mode is None
            continue
        live.apply(entry)
        events.append(entry)
    replayed = DrainState(HOSTS)
    replayed.replay(events)
    assert replayed.info() == live.info()
    restored = DrainState(HOSTS)
    assert restored.restore(json.dumps(live.checkpoint(99.0)).encode(), events) == len(events)
    assert restored.info() == live.info()
    for end in range(len(events)):  # a checkpoint amid the events, whatever its time
        early, restored = DrainState(HOSTS), DrainState(HOSTS)
        early.replay(events[:end])
        last = events[end - 1] if end else {}
        stored = json.dumps(early.checkpoint(1e9, last)).encode()
        covered = restored.restore(stored, events) if end else 0
        restored.replay(events, covered)
        assert (covered, restored.ranks) == (end, live.ranks)


def test_malformed_records_name_the_place():
    state = DrainState(HOSTS)
    with pytest.raises(FormatError, match=r"event 1: .*nodelist"):
        state.replay([{"timestamp": 1.0, "name": "drain", "context": {"idset": "0"}}])
    with pytest.raises(FormatError, match="drain_state"):
        state.restore(b'{"timestamp": 1.0}', [])
    with pytest.raises(FormatError, match="not JSON"):
        state.restore(b"{", [])


masks = st.integers(0, 31).map(Idset.from_mask)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("online"), masks),
        st.tuples(st.just("torpid"), masks),
        st.tuples(st.just("drained"), masks),
    )
)


@given(masks, st.booleans(), changes)
def test_responses_add_up(exclude, shrinks, plan):
    """A client that applies every response knows what is up."""
    state = Availability(5, exclude)
    state.shrinks = shrinks
    acquisition = Acquisition(Idset("0-4"), state)
    known = acquisition.up
    gone = Idset()
    for what, ids in plan:
        if what == "online":
            state.set_online(ids)
        elif what == "torpid":
            state.set_torpid(ids)
        else:
            state.drained = ids
        message = acquisition.update()
        if message:
            assert all(message.values())
            known = (known | Idset(message.get("up", ""))) - Idset(message.get("down", ""))
            gone |= Idset(message.get("shrink", ""))
            assert shrinks or not gone
        assert not acquisition.update()
        assert not known & (state.offline | state.torpid | state.drained | state.exclude | gone)
        usable = state.online - state.torpid - state.drained - state.exclude - gone
        assert known == usable
        if shrinks:
            assert state.lost - exclude <= gone


def event(timestamp, name="online"):
    return {"timestamp": float(timestamp), "name": name, "context": {}}


@given(st.integers(1, 6), st.integers(0, 20))
@pytest.mark.rfc(44, "truncate")
def test_journal_is_bounded(limit, count):
    journal = ResourceJournal([event(n) for n in range(1, count + 1)], limit)
    kept = list(journal)
    assert len(kept) <= limit
    if count <= limit:
        assert [entry["timestamp"] for entry in kept] == list(range(1, count + 1))
    else:
        assert kept[0] == {"timestamp": float(count - limit + 1), "name": "truncate"}
        assert [entry["timestamp"] for entry in kept[1:]] == list(range(count - limit + 2, count + 1))


def test_backlog_in_batches():
    journal = ResourceJournal([event(1, "resource-define"), *(event(n) for n in range(2, 152))], 1000)
    journal.append(event(200, "resource-define"))
    journal.append(event(201))
    responses = list(journal.backlog({"version": 1}))
    assert [len(response["events"]) for response in responses] == [100, 50, 1, 1, 0]
    assert [number for number, response in enumerate(responses) if "R" in response] == [2]


def machine(host="n0", cores=4, gpus=0):
    return from_topology(MachineTopology(host, [PhysicalCore(0, (n,)) for n in range(cores)], gpus), 0)


def test_choice():
    local, other = machine(), machine("other")
    verify = Verification(None)

    def choose(configured=None, stored=None, method=None, enclosing=None):
        recorded = (
            [event(1), {**event(2, "resource-define"), "context": {"method": method}}] if method else []
        )
        choice = inventory.choose(
            configured=configured,
            enclosing=enclosing,
            stored=stored,
            recorded=recorded,
            local=local,
            rank=0,
            verify=verify,
        )
        return choice.method, choice.rset.host(0), bool(choice.fault)

    assert choose() == ("dynamic-discovery", "n0", False)
    assert choose(stored=local) == ("kvs", "n0", False)
    assert choose(stored=other) == ("kvs", "other", True)
    assert choose(stored=other, method="reload") == ("kvs", "other", True)
    assert choose(stored=other, method="dynamic-discovery") == ("dynamic-discovery", "n0", False)
    assert choose(configured=other, stored=local) == ("configuration", "other", True)
    assert choose(enclosing=local, stored=other) == ("job-info", "n0", False)
    assert choose(enclosing=other, configured=local) == ("configuration", "n0", False)


def test_stored_resources_go_where_their_hosts_are():
    def hosts(*names):
        rset = ResourceSet()
        for rank, name in enumerate(names):
            rset.add_rank(rank, name, 1 << rank)
        return rset

    usual = Verification(None)

    def choose(stored, hostlist, method="dynamic-discovery", verify=usual):
        recorded = [{**event(2, "resource-define"), "context": {"method": method}}]
        local = machine(hostlist.partition(",")[0])
        choice = inventory.choose(
            configured=None,
            stored=stored,
            recorded=recorded,
            local=local,
            rank=0,
            hostlist=hostlist,
            verify=verify,
        )
        return choice.method, choice.rset.dumps(), list(choice.rset.nodelist()), choice.fault

    three = hosts("a", "b", "c")
    text = "rank0/core0 rank1/core1 rank2/core2"
    assert choose(three, "a,b,c") == ("kvs", text, ["a", "b", "c"], None)
    moved = "rank0/core2 rank1/core0 rank2/core1"
    assert choose(three, "c,a,b") == ("kvs", moved, ["c", "a", "b"], None)
    assert choose(hosts("a", "a", "b"), "b,a,a")[2] == ["b", "a", "a"]
    for hostlist in ("a,b", "a,b,d", "a,b,c,d"):
        assert choose(three, hostlist)[0] == "dynamic-discovery"
    assert choose(three, "x,b,c", method="reload")[3] == "rank 0 got hostname 'x', expected 'a'"
    assert choose(three, "x,b,c", verify=None) == ("kvs", text, ["a", "b", "c"], None)


def test_resources_of_an_enclosing_job_are_verified_if_that_was_asked_for():
    enclosing = machine(cores=5)
    faults = []
    for table in (None, {"core": "strict"}, True, False):
        choice = inventory.choose(
            configured=None,
            enclosing=enclosing,
            stored=None,
            recorded=[],
            local=machine(),
            rank=0,
            verify=Verification(table),
        )
        faults.append(choice.fault)
    assert faults == [None, *["rank 0 (n0) missing resources: core4"] * 2, None]


def test_resources_of_the_enclosing_job_are_not_used_where_the_machine_counts():
    choice = inventory.choose(
        configured=None,
        enclosing=machine(cores=1),
        stored=machine(cores=1),
        recorded=[],
        local=machine(),
        rank=0,
        rediscover=ResourceSettings.parse({"resource": {"rediscover": True}}).rediscover,
        verify=None,
    )
    assert (choice.method, choice.rset.dumps()) == ("dynamic-discovery", "rank0/core[0-3]")
    assert not ResourceSettings.parse({}).rediscover


@pytest.mark.rfc(40, "opaque")
@pytest.mark.rfc(49, "renumbered")
def test_resources_of_the_enclosing_job():
    job = ResourceSet()
    job.add_rank(3, "n0", 0b1100, 0b10)
    job.expiration = 5.0
    job.set_property("fast")
    job.set_property("+mine")

    def inherited(job, cores, host="n0"):
        local = ResourceSet()
        local.add_rank(0, host, cores)
        return inventory.inherited(job, local, 0)

    bound = inherited(job, 0b11)  # to the job's cores, which it numbers from 0
    assert (bound.dumps(), bound.host(0), bound.expiration) == ("rank0/core[0-1],gpu1", "n0", 5.0)
    assert bound.get_properties() == {"fast": "0"}
    assert bound.scheduling is None
    assert inherited(job, 0b1111).dumps() == "rank0/core[2-3],gpu1"  # not bound
    job.scheduling = {"writer": "mine", "x": 1}
    assert inherited(job, 0b11).scheduling == {"writer": "mine", "x": 1}
    job.scheduling = {"writer": "TreePool", "children": [{"ranks": "2-3", "topo": {"cores": "0-3"}}]}
    assert inherited(job, 0b11).scheduling["children"] == [{"ranks": "0", "topo": {"cores": "0-3"}}]
    job.scheduling = None
    assert inherited(job, 0b11, "alias").host(0) == "alias"
    job.add_rank(4, "n1", 0b1)
    assert inherited(job, 0b1, "n1").dumps() == "rank0/core0"
    assert inherited(job, 0b1, "n2") is None
