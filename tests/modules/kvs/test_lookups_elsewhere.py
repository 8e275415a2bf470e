# SPDX-License-Identifier: LGPL-3.0-or-later
"""A lookup says the same on every rank, whatever its flags, its key and who asks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rosin import kvs
from rosin.constants import FLUX_KVS_READDIR, FLUX_KVS_READLINK, FLUX_KVS_TREEOBJ
from rosin.testing.tree import InstanceTree

from .test_kvs_service import create, put

KEYS = (
    ".",
    "",
    "a",
    "a.b",
    "a.long",
    "a.none",
    "a.b.c",
    "none",
    "to-a",
    "to-a.b",
    "to-none",
    "loop",
    "other",
)
FLAGS = [
    sum(some)
    for some in itertools.product((0, FLUX_KVS_READDIR), (0, FLUX_KVS_READLINK), (0, FLUX_KVS_TREEOBJ))
]


async def answer(h: Any, topic: str, request: dict[str, Any]) -> Any:
    try:
        return await h.rpc(topic, request)
    except OSError as error:
        return error.errno, error.strerror


@pytest.mark.parametrize("topic", ["kvs.lookup", "kvs.lookup-plus"])
async def test_lookups_are_the_same_everywhere(topic: str) -> None:
    def modules(rank: int) -> list[str]:
        return ["content", "kvs"] if rank else ["content", "content-sqlite", "kvs"]

    async with InstanceTree(4, modules, topo="kary:1") as tree:
        up = await tree.connect()
        await create(up, "n")
        await create(up, "theirs", 4242)
        for namespace in ("primary", "n", "theirs"):
            await put(up, "a.b", b"1", namespace=namespace)
            await put(up, "a.long", b"x" * 1000, namespace=namespace)
        txn = kvs.KVSTxn(up, namespace=kvs.PRIMARY)
        for name, target in (("to-a", "a"), ("to-none", "none"), ("loop", "loop")):
            txn.symlink(name, target)
        txn.symlink("other", "a.b", "n")
        await txn.commit_async()
        await tree.settle()
        owners = [await tree.connect(rank) for rank in range(4)]
        guests = [await tree.connect(rank, 4242) for rank in range(4)]
        for namespace, key, flags in itertools.product(("primary", "n", "theirs", "none"), KEYS, FLAGS):
            request = {"namespace": namespace, "key": key, "flags": flags}
            for handles in (owners, guests):
                answers = [await answer(h, topic, request) for h in handles]
                assert answers == [answers[0]] * 4, (request, answers)
