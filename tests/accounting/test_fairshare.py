# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fair share: examples of flux-accounting's, and what holds always."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.accounting.fairshare import Share, fair_shares


def bank(shares, *children):
    return Share(shares, children=[*children])


def user(key, shares, usage=0.0):
    return Share(shares, usage, key)


def two_banks(root, u1, u2, u3):
    return bank(
        1,
        bank(1, user("root", 1, root), user("u1", 1, u1)),
        bank(2, user("u2", 3, u2), user("u3", 1, u3)),
    )


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ((0, 100, 50, 50), {"u2": 1.0, "u3": 0.75, "root": 0.5, "u1": 0.25}),
        ((100, 100, 150, 50), {"u2": 1.0, "u3": 1.0, "root": 0.5, "u1": 0.5}),
        ((0, 0, 0, 0), dict.fromkeys(("root", "u1", "u2", "u3"), 1.0)),
    ],
)
def test_two_banks(usages, expected):
    assert fair_shares(two_banks(*usages)) == expected


def test_a_bank_without_usage_comes_first():
    assert fair_shares(bank(1, bank(1, user("a", 1, 1.0)), bank(1, user("b", 1)))) == {"b": 1.0, "a": 0.5}


def test_no_shares_come_last():
    assert fair_shares(bank(1, user("a", 0), user("b", 1, 1e6))) == {"b": 1.0, "a": 0.5}


def test_users_come_before_a_bank_that_is_equal():
    tree = bank(1, bank(1, user("below", 1, 5.0)), user("a", 1, 5.0))
    assert fair_shares(tree) == {"a": 1.0, "below": 0.5}


def test_nobody():
    assert fair_shares(bank(1)) == {}
    assert fair_shares(bank(1, bank(1), user("a", 1))) == {"a": 1.0}


def test_deep_trees():
    tree = user("a", 1, 1.0)
    for _ in range(5000):
        tree = bank(1, tree)
    assert fair_shares(tree) == {"a": 1.0}


_USERS = st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0, 2.0, 3.5, 1e9]))
_TREES = st.recursive(
    _USERS, lambda inner: st.tuples(st.integers(0, 5), st.lists(inner, max_size=4)), max_leaves=12
)


def build(tree, path=(), scale=1.0):
    shares, rest = tree
    if isinstance(rest, float):
        return user(path, shares, rest * scale)
    return bank(shares, *(build(child, (*path, at), scale) for at, child in enumerate(rest)))


def leaves(tree, path=()):
    shares, rest = tree
    if isinstance(rest, float):
        return {path: (shares, rest)}
    return {key: leaf for at, child in enumerate(rest) for key, leaf in leaves(child, (*path, at)).items()}


@given(st.lists(_TREES, max_size=4).map(lambda children: (1, children)))
def test_everybody_has_one_and_the_first_has_1(tree):
    found = fair_shares(build(tree))
    assert found.keys() == leaves(tree).keys()
    assert not found or max(found.values()) == 1.0
    assert all(0 < value <= 1 for value in found.values())
    # Who comes equal shares a place, so that nobody is above the place that there is.
    for place, value in enumerate(sorted(found.values(), reverse=True)):
        assert value >= (len(found) - place) / len(found) - 1e-12


@given(st.lists(_TREES, max_size=4).map(lambda children: (1, children)), st.randoms(use_true_random=False))
def test_the_order_of_siblings_and_the_unit_of_usage_do_not_matter(tree, chance):
    def shuffled(share):
        share.children = chance.sample(share.children, len(share.children))
        for child in share.children:
            shuffled(child)
        return share

    assert fair_shares(shuffled(build(tree))) == fair_shares(build(tree))
    assert fair_shares(build(tree, scale=1024.0)) == fair_shares(build(tree))


@given(st.lists(_USERS, min_size=2, max_size=6), st.data())
def test_who_uses_more_is_not_better_off(users, data):
    at = data.draw(st.integers(0, len(users) - 1))
    before = fair_shares(build((1, list(users))))
    users[at] = (users[at][0], users[at][1] + 100.0)
    after = fair_shares(build((1, list(users))))
    worse = [key for key in before if before[key] >= before[(at,)]]
    if users[at][0]:
        assert all(after[key] >= after[(at,)] for key in worse if users[key[0]][0])  # type: ignore[index]


def test_it_is_fast_enough_for_a_centre():
    chance = random.Random(1)
    banks = [bank(1, *(user((b, u), 1, chance.random()) for u in range(100))) for b in range(100)]
    assert len(fair_shares(bank(1, *banks))) == 10_000
