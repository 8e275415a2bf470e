# SPDX-License-Identifier: LGPL-3.0-or-later
"""Random requests to the services of the store, as owner and as guest: no EIO, no traceback, no wedge."""

import asyncio
import errno
import random

import pytest

from rosin.constants import FLUX_ROLE_LOCAL, FLUX_ROLE_USER
from rosin.testing import Instance

from .test_kvs_service import get, put

MODULES = ["content", "content-sqlite", "kvs", "kvs-watch"]
#: They end the service, or hold answers back on purpose.
LEFT_OUT = ("shutdown", "setroot-pause", "unregister-backing", "disconnect", "debug")
ROOT = "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"
FIELDS = [
    "namespace",
    "key",
    "flags",
    "ops",
    "rootdir",
    "rootseq",
    "rootref",
    "owner",
    "cred",
    "offset",
    "name",
    "names",
    "value",
    "after",
    "epoch",
    "hashes",
    "cursor",
    "high_water",
    "delete_cap",
    "window",
    "get_count",
    "path",
    "chunksize",
    "tag",
    "matchtag",
    "raw",
]


def tree(rng, depth=0):
    kinds = ("val", "valref", "dir", "dirref", "symlink", "x")
    kind = rng.choice(kinds)
    data = {
        "val": "eA==" * rng.randrange(30),
        "valref": [ROOT],
        "dirref": [ROOT],
        "symlink": {"target": rng.choice((".", "a", "b.c", "a.a"))},
    }.get(kind)
    if kind == "dir":
        data = {rng.choice("abc"): tree(rng, depth + 1) for _ in range(0 if depth > 3 else 2)}
    return {"ver": 1, "type": kind, "data": data if rng.random() < 0.9 else value(rng)}


def value(rng):
    scalars = (
        None,
        True,
        0,
        1,
        -1,
        7,
        2**31,
        2**63,
        -(2**63) - 1,
        1.5,
        1e308,
        "",
        "a",
        "primary",
        "a.b",
        "\0",
        "é",
        ROOT,
    )
    roll = rng.random()
    if roll < 0.6:
        return rng.choice(scalars)
    if roll < 0.7:
        return [value(rng) for _ in range(rng.randrange(3))]
    if roll < 0.8:
        return {rng.choice(FIELDS): value(rng) for _ in range(rng.randrange(3))}
    return tree(rng)


def op(rng):
    key = ".".join(rng.choice("abc") for _ in range(rng.randrange(4)))
    result = {"key": key, "flags": rng.choice((0, 0, 2)), "dirent": rng.choice((None, tree(rng)))}
    if rng.random() < 0.1:
        result[rng.choice(("key", "flags", "dirent"))] = value(rng)
    return result


def payload(rng):
    roll = rng.random()
    if roll < 0.05:
        return rng.choice((None, b"", b"\0", b"x" * 20, b"{", b"[]", b"[" * 3000, bytes(40)))
    args = {
        "namespace": "primary",
        "flags": rng.choice((0, 1, 2, 4, 8, 16, 32, 64)),
        "key": rng.choice("abc"),
    }
    args["ops"] = [op(rng) for _ in range(rng.randrange(4))]
    for name in rng.sample(FIELDS, rng.randrange(1, 12)):
        args[name] = value(rng)
    for name in rng.sample(sorted(args), rng.randrange(2)):
        del args[name]
    return args


@pytest.mark.parametrize("seed", range(4))
async def test_no_request_breaks_the_store(tmp_path, seed):
    rng = random.Random(seed)
    attrs = {"statedir": str(tmp_path), "statedir-cleanup": "0"}
    async with Instance(modules=MODULES, attrs=attrs) as inst:
        owner = await inst.connect()
        guest = await inst.connect(userid=4242, rolemask=FLUX_ROLE_USER | FLUX_ROLE_LOCAL)
        topics = sorted({topic for name in MODULES for topic in inst.broker.modules[name]._methods})
        topics = [topic for topic in topics if topic.rpartition(".")[2] not in LEFT_OUT]
        faults = []
        calls = []
        for _ in range(800):
            topic, h = rng.choice(topics), rng.choice((owner, guest))
            args = payload(rng)
            calls.append((topic, args, h.rpc(topic, args, flags=rng.choice((0, 0, 0, 2)))))
            if len(calls) % 50 == 0:
                await asyncio.sleep(0)
        await inst.settle(300)
        for topic, args, rpc in calls:
            if rpc.is_ready():
                try:
                    rpc.get_raw()
                except OSError as error:
                    if error.errno == errno.EIO:
                        faults.append((topic, args, error))
        assert faults == []
        assert [line for line in inst.logged() if "Traceback" in line] == []
        await put(owner, "last", b"1")
        assert await get(owner, "last") == b"1"
    async with Instance(modules=MODULES, attrs=attrs) as inst:
        assert await get(await inst.connect(), "last") == b"1"
