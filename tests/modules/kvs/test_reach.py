# SPDX-License-Identifier: LGPL-3.0-or-later
"""Walks over what the KVS has in memory, which go on while it changes."""

from rosin.modules.kvs.objects import Reach
from rosin.rfc import treeobj

from .test_transaction import Store, op


def test_what_comes_while_a_walk_pauses_is_not_dropped():
    store = Store()
    large = b"x" * 500
    store.put("old", large)
    left = store.root
    store.put("old", b"y")
    reach = Reach(store.objects.fresh, [treeobj.dirref(store.root)])
    assert not reach.step()  # it finds nothing of the root that was left
    store.put("new", b"z" * 500)
    store.apply(op("back", treeobj.dirref(left)))
    reach.extend([treeobj.dirref(store.root)])
    while reach.step():
        pass
    store.objects.drop_others(reach)
    assert left in store.objects.fresh
    assert store.get("back.old") == large
    assert store.get("new") == b"z" * 500
