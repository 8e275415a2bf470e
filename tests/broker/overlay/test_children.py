# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a broker knows of those below it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.broker.overlay.children import Children
from rosin.broker.overlay.hello import ONLINE, STATUSES, Hello, status_of, version_number, version_text
from rosin.broker.overlay.topology import OverlayTopology
from rosin.errors import FormatError

VERSION = version_number("0.88.0")
HOSTS = ["a", "b", "c", "d"]


def children(rank=0, size=4):
    return Children(OverlayTopology.parse("kary:2", size), rank, VERSION, 100.0)


def join(those, rank, status="full", now=101.0):
    child = those.by_rank[rank]
    child.identity = b"id%d" % rank
    return those.change(child, status, now)


def hello(rank=1, version=VERSION, hostname="b"):
    return Hello(rank, version, b"u", "full", hostname)


def test_a_leaf_is_full():
    assert children(3).status == "full"


def test_the_sum_follows_those_below():
    those = children()
    assert those.status == "partial"
    assert not join(those, 1)
    assert join(those, 2)
    assert those.status == "full"
    assert those.since == 101.0
    assert those.change(those.by_rank[1], "degraded", 102.0)
    assert those.status == "degraded"
    assert not those.change(those.by_rank[1], "lost", 103.0, "gone")
    assert those.since == 102.0
    assert those.online == {b"id2": those.by_rank[2]}
    assert those.health(105.0) == {
        "rank": 0,
        "status": "degraded",
        "duration": 3.0,
        "children": [
            {"rank": 1, "status": "lost", "duration": 2.0, "error": "gone"},
            {"rank": 2, "status": "full", "duration": 4.0},
        ],
    }


def test_who_is_back_has_no_error():
    those = children()
    join(those, 1)
    those.change(those.by_rank[1], "lost", 103.0, "gone")
    join(those, 1)
    assert "error" not in those.health(105.0)["children"][0]
    assert those.by_rank[1].error == ""


def test_who_may_join():
    those = children()
    assert those.check(hello(), HOSTS) is those.by_rank[1]
    assert those.check(hello(hostname=None), HOSTS) is those.by_rank[1]
    assert those.check(hello(version=VERSION + 7), HOSTS) is those.by_rank[1]
    assert those.check(hello(), []) is those.by_rank[1]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (hello(hostname="x"), "b is configured as rank 1: mismatched config?"),
        (hello(rank=3, hostname="d"), "rank 3 is not a child of rank 0: mismatched config?"),
        (hello(rank=0, hostname="a"), "rank 0 is not a child of rank 0: mismatched config?"),
        (hello(rank=9), "rank 9 is not a child of rank 0: mismatched config?"),
        (hello(rank=-3), "rank -3 is not a child of rank 0: mismatched config?"),
        (hello(version=0x005700), r"client \(0.87.0\) version mismatched with server \(0.88.0\)"),
        (hello(version=0x015800), r"client \(1.88.0\) version mismatched with server \(0.88.0\)"),
    ],
)
def test_who_may_not(who, why):
    with pytest.raises(OSError, match=why):
        children().check(who, HOSTS)


def test_a_wrong_version_is_told_by_health():
    those = children()
    with pytest.raises(OSError, match="version mismatched"):
        those.check(hello(version=0x005700), HOSTS)
    assert "client (0.87.0)" in those.health(1.0)["children"][0]["error"]
    join(those, 1)
    with pytest.raises(OSError, match="version mismatched"):
        those.check(hello(version=0x005700), HOSTS)  # another one, while the right one is there
    assert "error" not in those.health(1.0)["children"][0]


def test_silence():
    those = children()
    join(those, 1, now=100.0)
    one = those.by_rank[1]
    assert those.torpid(30.0, 129.9) == []
    assert those.torpid(30.0, 130.0) == [one]
    assert one.torpid
    assert those.torpid(30.0, 131.0) == []
    one.seen = 131.0
    assert those.torpid(30.0, 131.5) == [one]
    assert not one.torpid
    assert those.torpid(30.0, 170.0) == [one]
    assert those.torpid(0.0, 170.0) == [one]
    assert not one.torpid


def test_who_is_gone_is_not_silent():
    those = children()
    join(those, 1)
    those.torpid(30.0, 200.0)
    those.change(those.by_rank[1], "lost", 201.0)
    assert not those.by_rank[1].torpid
    assert those.torpid(30.0, 300.0) == []
    join(those, 1, now=301.0)  # nothing else has been heard since
    assert those.torpid(30.0, 302.0) == []


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(STATUSES[1:])), max_size=40))
def test_the_sum_is_that_of_its_parts(changes):
    those = Children(OverlayTopology.parse("kary:0", 7), 0, VERSION, 0.0)
    for rank, status in changes:
        join(those, rank, status)
        parts = {child.status for child in those}
        if parts & {"lost", "degraded"}:
            assert those.status == "degraded"
        else:
            assert those.status == ("full" if parts == {"full"} else "partial")
        assert {child.rank for child in those.online.values()} == {
            child.rank for child in those if child.status in ONLINE
        }


@pytest.mark.parametrize("number", [-5, -1, len(STATUSES)])
def test_no_status(number):
    with pytest.raises(FormatError, match=f"{number} is no status"):
        status_of(number)


def test_versions():
    assert version_number("0.88.0") == 0x5800
    assert version_text(version_number("1.2.3")) == "1.2.3"
