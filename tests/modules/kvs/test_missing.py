# SPDX-License-Identifier: LGPL-3.0-or-later
"""A transaction whose directories are not in memory is not tried again for each of them."""

import pytest

from rosin.modules.kvs import transaction
from rosin.modules.kvs.objects import Missing, Objects
from rosin.modules.kvs.transaction import apply
from rosin.rfc import treeobj

COUNT = 60


def op(key, data=b"x", flags=0):
    return {"key": key, "flags": flags, "dirent": treeobj.val(data)}


def stored():
    """A tree that is in the store alone: its root, and its blobs."""
    objects = Objects()
    objects.add_directory(objects.empty)
    root = apply(objects.empty, [op(f"d{n}.e.v", b"%d" % n) for n in range(COUNT)], objects, "primary")
    return root.ref, {ref: objects.blob(ref) for ref in objects.fresh}


def run(ops, root, blobs):
    """Apply *ops* as the KVS does: the entries of the new root, and how often that was tried."""
    objects = Objects()
    objects.loaded(root, blobs[root], True)
    tries = 0
    while True:
        tries += 1
        try:
            return apply(objects.directory(root), ops, objects, "primary").entries(), tries
        except Missing as missing:
            for one in (missing, *missing.others):
                for ref in one.refs:
                    objects.loaded(ref, blobs[ref], one.directory)


def test_what_is_missing_is_found_in_one_go_for_each_level():
    root, blobs = stored()
    entries, tries = run([op(f"d{n}.e.v", b"y") for n in range(COUNT)], root, blobs)
    assert len(entries) == COUNT
    assert tries == 3


def test_only_so_much_is_looked_for_at_a_time(monkeypatch):
    monkeypatch.setattr(transaction, "MISSING_MAX", 9)
    root, blobs = stored()
    _, tries = run([op(f"d{n}.e.v", b"y") for n in range(COUNT)], root, blobs)
    assert 2 * COUNT / 10 <= tries <= 2 * COUNT / 10 + 2


def test_an_operation_that_needs_one_before_it_waits_for_it():
    root, blobs = stored()
    ops = [{"key": "d1.e", "flags": 0, "dirent": None}, op("d1.e", b"y"), op("d2.e.v.w", b"z")]
    entries, _ = run(ops, root, blobs)
    assert len(entries) == COUNT


def test_an_operation_that_is_wrong_stays_wrong():
    root, blobs = stored()
    with pytest.raises(OSError, match="Is a directory"):
        run([op("d1.e.v"), op("d2.e", b"y", flags=32)], root, blobs)
