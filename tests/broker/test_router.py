# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where requests go, and how events are numbered: decisions, without a broker."""

import errno

import pytest

from rosin.broker.eventflow import EventFlow
from rosin.broker.host import EVENTS_LOST
from rosin.broker.peer import Peer
from rosin.broker.router import Router
from rosin.constants import FLUX_MSGFLAG_UPSTREAM, FLUX_NODEID_ANY, FLUX_ROLE_OWNER
from rosin.rfc.message import Message

OWNER = (1000, FLUX_ROLE_OWNER)


class Box(Peer):
    """A peer that keeps the events that it gets."""

    def __init__(self, *topics: str) -> None:
        super().__init__()
        self.events: list[Message] = []
        for topic in topics:
            self.subscriptions.add(topic)

    def deliver_event(self, msg: Message) -> None:
        self.events.append(msg)


# -- services ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".a", "a.", "a..b"])
def test_what_is_no_service_name(name: str) -> None:
    with pytest.raises(OSError, match="is not a service name") as caught:
        Router().add_service(name, Box())
    assert caught.value.errno == errno.EINVAL


def test_a_service_has_one_owner() -> None:
    router, one, two = Router(), Box(), Box()
    router.add_service("a.b", one)
    assert one.registered == {"a.b"}
    for act, code in (
        (lambda: router.add_service("a.b", two), errno.EEXIST),
        (lambda: router.remove_service("a.b", two), errno.EPERM),
        (lambda: router.remove_service("a", one), errno.ENOENT),
    ):
        with pytest.raises(OSError) as caught:
            act()
        assert caught.value.errno == code
    router.remove_service("a.b", one)
    assert (router.services, one.registered) == ({}, set())


def test_the_longest_name_up_to_a_dot_serves() -> None:
    router, short, long = Router(), Box(), Box()
    router.add_service("a", short)
    router.add_service("a.b", long)
    topics = {"a.x": short, "a.bc.x": short, "a.b.x": long, "a.b.c.d": long, "a": None, "b.a": None}
    assert {topic: router.match(topic) for topic in topics} == topics
    assert [router.service_of(topic) for topic in topics] == ["a", "a", "a.b", "a.b", "", ""]


def test_who_is_gone_serves_nothing_and_leads_nowhere() -> None:
    router = Router(1, 8)
    parent, child, other = Box(), Box(), Box()
    for peer in (parent, child, other):
        router.add_peer(peer)
    router.parent = parent
    router.below = {3: child, 7: child, 4: other}
    router.add_service("a", child)
    router.remove_peer(child)
    assert (router.services, router.below, router.parent) == ({}, {4: other}, parent)
    router.remove_peer(parent)
    assert router.parent is None
    assert list(router.peers) == [other.uuid]


# -- routes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "nodeid", "upstream", "away"),
    [
        (0, FLUX_NODEID_ANY, False, False),
        (0, 0, False, False),
        (0, 0, True, False),
        (0, 7, False, True),
        (0, 8, False, False),
        (1, FLUX_NODEID_ANY, False, True),
        (1, 1, False, False),
        (1, 1, True, True),
        (1, 0, False, True),
    ],
)
def test_whether_a_request_may_be_served_away(rank: int, nodeid: int, upstream: bool, away: bool) -> None:
    router = Router(rank, 8)
    router.parent = Box() if rank else None
    assert router.leads_away(nodeid, upstream * FLUX_MSGFLAG_UPSTREAM) is away


def test_a_request_goes_by_no_broker_twice() -> None:
    router = Router(1, 8, b"me")
    router.parent, child = Box(), Box()
    router.below = {3: child}
    for nodeid, way in ((3, child), (5, router.parent), (FLUX_NODEID_ANY, router.parent)):
        msg = Message.request("a.b", None, nodeid)
        msg.route = [b"client", b"other"]
        assert router.route(msg) is way
        msg.route = [b"client", b"me", b"other"]
        with pytest.raises(OSError) as caught:
            router.route(msg)
        assert caught.value.errno == errno.EHOSTUNREACH


# -- events -----------------------------------------------------------------------------------------


def flow(rank: int, *peers: Peer) -> tuple[EventFlow, Router, list[str]]:
    router, complaints = Router(rank, 8), []
    for peer in peers:
        router.add_peer(peer)
    return EventFlow(router, complaints.append, OWNER), router, complaints


def event(topic: str, seq: int = 0) -> Message:
    msg = Message.event(topic, seq=seq)
    msg.route = [b"from"]
    return msg


def test_rank_0_numbers_and_whoever_wants_it_gets_it() -> None:
    one, all_, many = Box("a."), Box(""), Box(*(f"x{number}." for number in range(20)))
    events, _router, _ = flow(0, one, all_, many)
    assert [events.publish(event(topic)) for topic in ("a.b", "x7.y", "x.y")] == [1, 2, 3]
    assert [[msg.seq for msg in peer.events] for peer in (one, all_, many)] == [[1], [1, 2, 3], [2]]
    assert all(msg.route is None for msg in all_.events)


def test_who_comes_goes_or_wants_others_counts_from_the_next_event_on() -> None:
    here = Box("a")
    events, router, _ = flow(0, here)

    def seen(*peers: Box) -> list[int]:
        events.publish(event("a"))
        return [len(peer.events) for peer in peers]

    later = Box()
    assert seen(here, later) == [1, 0]
    router.add_peer(later)
    assert seen(here, later) == [2, 0]
    later.subscriptions.add("a")
    assert seen(here, later) == [3, 1]
    here.subscriptions.remove("a")
    assert seen(here, later) == [3, 2]
    router.remove_peer(later)
    assert seen(here, later) == [3, 2]
    other = Box("a")
    router.add_peer(other)
    assert seen(other) == [1]


def test_topics_that_are_made_up_are_not_kept() -> None:
    events, router, _ = flow(0, Box(""))
    for number in range(1000):
        events.publish(event(f"a.{number}"))
    assert len(router._subscribers) < 100


def test_other_ranks_pass_events_up_without_a_number() -> None:
    here, parent = Box(""), Box()
    events, router, complaints = flow(2, here)
    router.parent = parent
    msg = event("a")
    assert events.publish(msg) == 0
    assert (parent.events, here.events, msg.seq, events.seq) == ([msg], [], 0, 0)
    router.parent = None
    assert events.publish(event("lost")) == 0
    assert complaints == ["event lost is lost: there is no connection to rank 0"]


def test_who_knows_the_last_event_notices_that_the_first_one_is_missing() -> None:
    here = Box("")
    events, _router, complaints = flow(2, here)
    assert (events.seq, events.known, flow(0)[0].known) == (0, False, True)
    for last in (0, 7):
        events.begin(last)
        events.accept(event("a", last))
        events.accept(event("a", last + 2))
    assert complaints == ["event 1 did not arrive", "event 8 did not arrive"]
    assert [(msg.topic, msg.seq) for msg in here.events] == [
        (EVENTS_LOST, 1),
        ("a", 2),
        (EVENTS_LOST, 8),
        ("a", 9),
    ]


def test_events_from_above_come_once_and_what_is_missing_is_told() -> None:
    here, partly, below = Box(""), Box("a"), Box("")
    events, router, complaints = flow(2, here, partly, below)
    router.below[5] = below
    for seq in (5, 5, 6, 4, 8, 9, 13):
        events.accept(event("a", seq))
    assert all(msg.route is None for msg in here.events)
    events.accept(event(EVENTS_LOST, 16))  # from a broker that has seen it first
    missed = ["event 7 did not arrive", "events 10-12 did not arrive", "events 14-15 did not arrive"]
    assert complaints == missed
    told = [(msg.topic, msg.seq) for msg in here.events]
    numbers = [("a", 5), ("a", 6), (EVENTS_LOST, 7), ("a", 8), ("a", 9), (EVENTS_LOST, 12), ("a", 13)]
    assert told == [*numbers, (EVENTS_LOST, 16)]
    assert {(msg.userid, msg.rolemask) for msg in here.events[:-1] if msg.topic == EVENTS_LOST} == {OWNER}
    assert below.events == here.events
    assert [msg.seq for msg in partly.events] == [5, 6, 8, 9, 13]
