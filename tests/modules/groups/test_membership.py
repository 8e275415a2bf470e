# SPDX-License-Identifier: LGPL-3.0-or-later
"""Group membership: batches of joins and leaves, up a tree of brokers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.modules.groups.membership import Membership, decode_change
from rosin.rfc.idset import Idset

SIZE = 16
CHANGES = st.lists(
    st.tuples(st.sampled_from("ab"), st.frozensets(st.integers(0, 15), min_size=1), st.booleans())
)


def test_like_changes_become_one() -> None:
    groups = Membership(SIZE)
    for rank in (0, 1, 2, 3):
        groups.change("broker.online", Idset([rank]), True)
    update, changed = groups.flush()
    assert update == {"broker.online": [{"ranks": "0-3", "set": True}]}
    assert changed == ["broker.online"]
    assert groups.encode() == {"broker.online": "0-3"}
    assert not groups.pending


def test_no_change_is_reported_when_members_stay_the_same() -> None:
    groups = Membership(SIZE)
    groups.change("x", Idset([1]), True)
    groups.flush()
    groups.change("x", Idset([1]), False)
    groups.change("x", Idset([1]), True)
    assert groups.flush() == ({"x": [{"ranks": "1", "set": False}, {"ranks": "1", "set": True}]}, [])


def test_a_lost_subtree_leaves_its_groups_only() -> None:
    groups = Membership(SIZE)
    groups.change("a", Idset("0-3"), True)
    groups.change("b", Idset("3"), True)
    groups.change("c", Idset("0"), True)
    groups.flush()
    groups.lost(Idset("2-5"))
    update, _ = groups.flush()
    assert update == {"a": [{"ranks": "2-3", "set": False}], "b": [{"ranks": "3", "set": False}]}
    assert groups.encode() == {"a": "0-1", "b": "", "c": "0"}


@given(CHANGES)
def test_batches_equal_changes_one_by_one(changes: list[tuple[str, frozenset[int], bool]]) -> None:
    groups = Membership(SIZE)
    model: dict[str, set[int]] = {}
    for name, ranks, join in changes:
        groups.change(name, Idset(ranks), join)
        members = model.setdefault(name, set())
        members.update(ranks) if join else members.difference_update(ranks)
    update, _ = groups.flush()
    assert {name: set(members) for name, members in groups.groups.items()} == model
    for entries in update.values():  # a parent that gets the update ends with the same members
        kinds = [entry["set"] for entry in entries]
        assert all(a != b for a, b in pairwise(kinds))
    parent = Membership(SIZE)
    parent.update(update)
    parent.flush()
    assert parent.groups == groups.groups


@pytest.mark.parametrize(
    "update",
    [
        {"x": {}},
        {"x": [1]},
        {"x": [{"ranks": "0"}]},
        {"x": [{"ranks": 0, "set": True}]},
        {"x": [{"ranks": "0-", "set": True}]},
        {"x": [{"ranks": "0", "set": 1}]},
        {"x": [{"ranks": "16", "set": True}]},
        {"x": [{"ranks": "0-4000000000", "set": True}]},
    ],
)
def test_bad_updates_change_nothing(update: dict[str, Any]) -> None:
    groups = Membership(SIZE)
    with pytest.raises(FormatError):
        groups.update({"good": [{"ranks": "1", "set": True}], **update})
    assert not groups.pending


def test_decode_change() -> None:
    assert decode_change({"ranks": "0,2", "set": True}, SIZE) == (True, Idset("0,2"))
