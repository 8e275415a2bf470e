# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers find each other by the list in their configuration."""

import asyncio
import errno

import pytest

from rosin.broker.overlay.bootstrap import Card, find

KEY = "mI{CcBdt%Km<>lx8SVY1C)kHylFxS#w.7zlMe.mw"
TABLE = {
    "curve_cert": "/etc/flux/system/curve.cert",
    "default_port": 8050,
    "default_bind": "tcp://eth0:%p",
    "default_connect": "tcp://localhost:%p",
    "hosts": [{"host": "a"}, {"host": "n[0-1]", "parent": "b"}, {"host": "b"}],
}


def broker(host, attrs=None, **changed):
    table = {key: value for key, value in {**TABLE, **changed}.items() if value is not None}
    return find({}, {"bootstrap": table}, {"hostname": host, **(attrs or {})})


async def test_what_the_list_says():
    root = broker("a")
    assert (root.method, root.rank, root.size) == ("config", 0, 4)
    assert root.curve_cert == TABLE["curve_cert"]
    assert not root.ipv6
    assert broker("b", enable_ipv6=True).ipv6
    assert await root.begin() == {
        "instance-level": "0",
        "broker.mapping": "[[0,4,1,1]]",
        "hostlist": "a,n[0-1],b",
        "tbon.interface-hint": "default-route",
        "tbon.topo": "custom",
    }
    assert root.topology("custom") == [None, 3, 3, 0]
    assert root.topology("kary:2") is None
    assert root.endpoints([3], {}) == ["tcp://eth0:8050"]
    assert root.endpoints([], {}) == []
    assert root.endpoints([3], {"broker.recovery-mode": "1"}) == []
    cards = await root.exchange(Card("a", KEY, ["tcp://10.0.0.1:8050"]), [3])
    assert cards == {
        0: Card("a", KEY, ["tcp://localhost:8050"]),
        3: Card("b", KEY, ["tcp://localhost:8050"]),
    }
    assert await broker("b").reach(0, {}) == "tcp://localhost:8050"
    assert await root.finish() == {}
    root.close()


@pytest.mark.parametrize("given", [{"tbon.topo": "kary:3"}, {"tbon.fanout": "3"}])
async def test_another_tree_than_the_lists(given):
    assert "tbon.topo" not in await broker("a", given).begin()


async def test_the_tree_of_the_configuration_and_a_hostlist_that_is_given():
    config = {"bootstrap": TABLE, "tbon": {"topo": "kary:3", "interface-hint": "ib0"}}
    attrs = await find({}, config, {"hostname": "a", "hostlist": "w,x,y,z"}).begin()
    assert attrs == {"instance-level": "0", "broker.mapping": "[[0,4,1,1]]", "tbon.interface-hint": "ib0"}


async def test_a_table_without_hosts():
    alone = find({}, {"bootstrap": {}}, {"hostname": "somewhere"})
    assert (alone.rank, alone.size, alone.curve_cert) == (0, 1, None)
    assert (await alone.begin())["hostlist"] == "somewhere"
    card = Card("somewhere", "", [])
    assert await alone.exchange(card, []) == {0: card}
    assert alone.topology("custom") == [None]


@pytest.mark.parametrize(
    ("missing", "step", "error"),
    [
        (
            "default_bind",
            lambda root: asyncio.to_thread(root.endpoints, [3], {}),
            "bootstrap.hosts: a (rank 0) has brokers below it and needs bind, or bootstrap.default_bind, "
            'such as "tcp://eth0:%p"',
        ),
        (
            "default_connect",
            lambda root: root.exchange(Card("a", KEY, ["tcp://10.0.0.1:8050"]), [3]),
            "bootstrap.hosts: a (rank 0) has brokers below it and needs connect, "
            'or bootstrap.default_connect, such as "tcp://%h:%p"',
        ),
        (
            "default_connect",
            lambda root: root.reach(3, {}),
            "bootstrap.hosts: b (rank 3) has brokers below it and needs connect",
        ),
    ],
)
async def test_what_the_list_must_say(missing, step, error):
    with pytest.raises(OSError) as info:
        await step(broker("a", **{missing: None}))
    assert str(info.value.strerror).startswith(error)
    assert info.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("uri", "notices"),
    [
        (
            "tcp://no-such-host.invalid:8050",
            ["tcp://no-such-host.invalid:8050: cannot resolve no-such-host.invalid: "],
        ),
        ("tcp://[::1]:8050", []),
        ("tcp://127.0.0.1:8050", []),
        ("ipc:///run/socket", []),
    ],
)
async def test_a_host_above_that_cannot_be_found_is_told(uri, notices):
    leaf = broker("b", default_connect=uri)
    assert await leaf.reach(0, {}) == uri
    assert len(leaf.notices) == len(notices)
    assert all(line.startswith(text) for line, text in zip(leaf.notices, notices, strict=True))
