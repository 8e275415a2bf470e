# SPDX-License-Identifier: LGPL-3.0-or-later
"""A scheduler's resources follow what RFC 28 says of each change."""

from hypothesis import given
from hypothesis import strategies as st

from rosin.resource.allocator.inventory import Inventory
from rosin.rfc.acquire import Acquired, Change
from rosin.rfc.idset import Idset

from .resources import inventory_of, like_nodes

ranks = st.lists(st.integers(0, 5), max_size=4).map(Idset)
named = st.dictionaries(st.sampled_from(["p", "+q"]), ranks, max_size=2)
changes = st.builds(Change, ranks, ranks, ranks, named, named, st.sampled_from([None, 0.0, 5.0]))


@given(ranks, st.lists(changes, max_size=6))
def test_changes(up, steps):
    first = {"resources": like_nodes(6, 2), "up": up.encode()}
    inventory, model = Inventory(Acquired(first)), Acquired(first)
    for change in steps:
        inventory.apply(change)
        model.apply(change)
        pool = inventory.pool
        assert Idset.from_mask(pool.up) == model.up
        assert Idset.from_mask(pool.valid) == Idset("0-5") - model.removed
        assert pool.expiration == model.expiration
        properties = model.properties()
        for name in ("p", "+q"):
            there = inventory.eligible({"properties": [name]}) & pool.valid
            assert Idset.from_mask(there) == properties.get(name, Idset())


def test_a_copy_is_for_trying_things_on():
    inventory = inventory_of(like_nodes(2, 2))
    trial = inventory.copy()
    trial.apply(Change(down=Idset("0"), add={"p": Idset("1")}, expiration=9.0))
    assert (trial.pool.up, trial.pool.expiration) == (0b10, 9.0)
    assert trial.eligible({"properties": ["p"]}) == 0b10
    assert (inventory.pool.up, inventory.pool.expiration) == (0b11, 0.0)
    assert inventory.eligible({"properties": ["p"]}) == 0
    inventory.apply(Change(expiration=3.0))
    assert trial.pool.expiration == 9.0
