# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers find each other by a process manager: the conversation, what becomes of it, and how it fails."""

import asyncio
import contextlib
import errno
import socket

import pytest

from rosin.broker.overlay.bootstrap import Card, find
from rosin.rfc.pmi import Lines

KEY = "mI{CcBdt%Km<>lx8SVY1C)kHylFxS#w.7zlMe.mw"
UNDER_FLUX = {
    "flux.instance-level": "1",
    "flux.taskmap": '{"version":1,"map":[[0,2,1,1]]}',
    "PMI_process_mapping": "(vector,(0,1,2))",
    "flux.tbon-interface-hint": "eth7",
}


def broker(manager, rank, attrs=None, config=None, environ=None):
    return find({**manager.environ(rank), **(environ or {})}, config or {}, attrs or {})


def card(rank):
    return Card(f"node{rank}", KEY, [] if rank else ["tcp://10.0.0.1:5000", "ipc:///run/tbon-0"])


async def boot(bootstrap, ranks):
    """A whole bootstrap; returns attributes, cards and the last attributes."""
    attrs = await bootstrap.begin()
    cards = await bootstrap.exchange(card(bootstrap.rank), ranks)
    return attrs, cards, await bootstrap.finish()


async def test_two_brokers_of_a_job(manager):
    pmi = manager(2, UNDER_FLUX)
    root, leaf = broker(pmi, 0), broker(pmi, 1)
    assert (root.method, root.rank, root.size, leaf.rank) == ("simple", 0, 2, 1)
    (attrs, cards, last), (_, leaf_cards, leaf_last) = await asyncio.gather(boot(root, [1]), boot(leaf, [0]))
    assert attrs == {
        "instance-level": "1",
        "jobid": "ƒabc",
        "broker.mapping": "[[0,2,1,1]]",
        "tbon.interface-hint": "eth7",
    }
    assert cards == leaf_cards == {0: card(0), 1: card(1)}
    assert last == leaf_last == {"hostlist": "node[0-1]"}
    assert pmi.said[0] == [
        "> cmd=init pmi_version=1 pmi_subversion=1",
        "< cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1",
        "> cmd=get_maxes",
        "< cmd=maxes rc=0 kvsname_max=64 keylen_max=64 vallen_max=1024",
        "> cmd=get_my_kvsname",
        "< cmd=my_kvsname rc=0 kvsname=ƒabc",
        "> cmd=get kvsname=ƒabc key=flux.instance-level",
        "< cmd=get_result rc=0 value=1",
        "> cmd=get kvsname=ƒabc key=flux.tbon-interface-hint",
        "< cmd=get_result rc=0 value=eth7",
        "> cmd=get kvsname=ƒabc key=flux.taskmap",
        '< cmd=get_result rc=0 value={"version":1,"map":[[0,2,1,1]]}',
        f"> cmd=put kvsname=ƒabc key=0 value={card(0).encode()}",
        "< cmd=put_result rc=0",
        "> cmd=barrier_in",
        "< cmd=barrier_out rc=0",
        "> cmd=get kvsname=ƒabc key=1",
        f"< cmd=get_result rc=0 value={card(1).encode()}",
        "> cmd=put kvsname=ƒabc key=rosin.hostlist.0 value=node[0-1]",
        "< cmd=put_result rc=0",
        "> cmd=put kvsname=ƒabc key=rosin.hostlist value=1",
        "< cmd=put_result rc=0",
        "> cmd=barrier_in",
        "< cmd=barrier_out rc=0",
        "> cmd=finalize",
        "< cmd=finalize_ack rc=0",
    ]
    assert pmi.said[1][-5:] == [
        "< cmd=get_result rc=0 value=1",
        "> cmd=get kvsname=ƒabc key=rosin.hostlist.0",
        "< cmd=get_result rc=0 value=node[0-1]",
        "> cmd=finalize",
        "< cmd=finalize_ack rc=0",
    ]
    assert pmi.server.finalized == {0, 1}


async def test_many_hosts_are_told_in_parts(manager):
    pmi = manager(5)
    hosts = [f"{letter * 100}{number}.{letter * 100}" for number, letter in enumerate("abcde")]
    brokers = [broker(pmi, rank) for rank in range(5)]

    async def one(each):
        await each.begin()
        await each.exchange(Card(hosts[each.rank], KEY, []), [])
        return await each.finish()

    assert await asyncio.gather(*map(one, brokers)) == [{"hostlist": ",".join(hosts)}] * 5
    assert "> cmd=put kvsname=ƒabc key=rosin.hostlist value=2" in pmi.said[0]
    assert not any("key=0" in line for line in pmi.said[1])  # the card of nobody else


async def test_where_rank_0_is_another_program_all_cards_are_read(manager):
    """flux-core's brokers read them all, and say nothing of it."""
    pmi = manager(3, {"0": card(0).encode(), "1": card(1).encode()})
    pmi.server._local_size = 1
    leaf = broker(pmi, 2)
    assert (await boot(leaf, [0]))[2] == {"hostlist": "node[0-2]"}


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"rosin.hostlist": "x"}, "rosin.hostlist of rank 0: expected a number, got 'x'"),
        ({"rosin.hostlist": "99999"}, "rosin.hostlist of rank 0: expected a number, got '99999'"),
        ({"rosin.hostlist": "1"}, "rosin.hostlist of rank 0: 0 hosts for 2 brokers"),
        ({"rosin.hostlist": "1", "rosin.hostlist.0": "a["}, "rosin.hostlist of rank 0: hostlist: "),
        ({"rosin.hostlist": "1", "rosin.hostlist.0": "a,b,c"}, "rosin.hostlist of rank 0: 3 hosts for 2"),
    ],
)
async def test_hosts_that_are_told_wrongly(manager, keys, error):
    pmi = manager(2, keys)
    pmi.server._local_size = 1
    leaf = broker(pmi, 1)
    await leaf.begin()
    with pytest.raises(OSError) as info:
        await leaf.finish()
    assert str(info.value.strerror).startswith(error)


async def test_nobody_is_done_before_the_others_have_all_cards(manager):
    """A broker that connects to the one above must find that that one knows its key already."""
    pmi = manager(2, UNDER_FLUX)
    root, leaf = broker(pmi, 0), broker(pmi, 1)
    await asyncio.gather(root.begin(), leaf.begin())
    await asyncio.gather(root.exchange(card(0), [1]), leaf.exchange(card(1), [0]))
    finishing = asyncio.ensure_future(leaf.finish())
    while pmi.said[1].count("> cmd=barrier_in") < 2:
        await asyncio.sleep(0)
    assert not finishing.done()
    await root.finish()
    await finishing


async def test_brokers_of_another_process_manager(manager):
    pmi = manager(3, {"PMI_process_mapping": "(vector,(0,2,2))", "flux.taskmap": "[]"}, "kvs_1")
    brokers = [broker(pmi, rank) for rank in range(3)]
    results = await asyncio.gather(*(boot(each, [0] if each.rank else [1, 2]) for each in brokers))
    assert results[1][0] == {
        "instance-level": "0",
        "broker.mapping": "[[0,2,2,1]]",
        "tbon.interface-hint": "default-route",
    }
    assert [last for _, _, last in results] == [{"hostlist": "node[0-2]"}] * 3
    assert set(results[1][1]) == {0, 1}  # the neighbours' alone


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (None, None),
        ("", "[]"),
        ("(vector,(0,1,2))", "[[0,1,2,1]]"),
        ("(vector,(0,1,1))", "[[0,1,2,1]]"),  # as hydra says it
        ("(vector,(0,2,2))", "[[0,2,2,1]]"),
    ],
)
async def test_what_the_process_manager_knows_of_nodes(manager, mapping, expected):
    pmi = manager(2, {} if mapping is None else {"PMI_process_mapping": mapping})
    attrs = await broker(pmi, 0).begin()
    assert attrs.get("broker.mapping") == expected


async def test_what_was_given_is_not_asked_for(manager):
    pmi = manager(1, UNDER_FLUX)
    given = {"tbon.interface-hint": "ib0", "hostlist": "somewhere"}
    alone = broker(pmi, 0, given)
    attrs, cards, last = await boot(alone, [])
    assert attrs["tbon.interface-hint"] == "ib0"
    assert attrs["broker.mapping"] == "[[0,1,1,1]]"
    assert cards == {0: card(0)}
    assert last == {}
    assert not any("hint" in line or "put" in line or "barrier" in line for line in pmi.said[0])


async def test_a_custom_tree_without_hosts_is_flat(manager):
    pmi = manager(3)
    assert broker(pmi, 0).topology("custom") == [None, 0, 0]
    assert broker(pmi, 1).topology("kary:2") is None


PLACES = {"broker.mapping": "[[0,2,2,1]]", "rundir": "/run/flux", "hostname": "node0", "tbon.prefertcp": "0"}


@pytest.mark.parametrize(
    ("children", "attrs", "uris"),
    [
        ([], {}, []),
        ([1], {}, ["ipc:///run/flux/tbon-0"]),
        ([2, 3], {}, ["tcp://127.0.0.1:*"]),
        ([1, 2], {}, ["tcp://127.0.0.1:*", "ipc:///run/flux/tbon-0"]),
        ([1], {"tbon.prefertcp": "1"}, ["tcp://127.0.0.1:*"]),
        ([1, 2], {"tbon.prefertcp": "1"}, ["tcp://127.0.0.1:*"]),
        ([1], {"broker.mapping": "[]"}, ["tcp://127.0.0.1:*"]),
        ([5], {}, ["tcp://127.0.0.1:*"]),
    ],
)
async def test_where_a_broker_listens(manager, children, attrs, uris):
    root = broker(manager(4), 0)
    hint = {"tbon.interface-hint": "127.0.0.0/8"}
    assert root.endpoints(children, {**PLACES, **hint, **attrs}) == uris


async def test_where_a_broker_cannot_listen(manager):
    root = broker(manager(4), 0)
    with pytest.raises(OSError, match=r"rundir /x{200} is too long for the path of a UNIX socket"):
        root.endpoints([1], {**PLACES, "rundir": "/" + "x" * 200})
    with pytest.raises(OSError, match=r"tbon\.interface-hint=nowhere: expected default-route") as info:
        root.endpoints([2], {**PLACES, "tbon.interface-hint": "nowhere"})
    assert info.value.errno == errno.EADDRNOTAVAIL


async def test_where_the_broker_above_is_reached(manager):
    pmi = manager(2, {"PMI_process_mapping": "(vector,(0,1,2))"})
    root, leaf = broker(pmi, 0), broker(pmi, 1)
    await asyncio.gather(root.begin(), leaf.begin())
    await asyncio.gather(root.exchange(card(0), [1]), leaf.exchange(card(1), [0]))
    assert await leaf.reach(0, PLACES) == "ipc:///run/tbon-0"
    assert await leaf.reach(0, {**PLACES, "tbon.prefertcp": "1"}) == "tcp://10.0.0.1:5000"
    assert await leaf.reach(0, {}) == "tcp://10.0.0.1:5000"
    with pytest.raises(OSError, match="rank 1 says nowhere where it listens"):
        await root.reach(1, PLACES)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            {"flux.instance-level": "x"},
            "flux.instance-level of the process manager: expected a number, got 'x'",
        ),
        ({"PMI_process_mapping": "(vector,"}, "PMI_process_mapping of the process manager: taskmap"),
        ({"flux.instance-level": "0", "flux.taskmap": "[["}, "flux.taskmap of the process manager: taskmap"),
    ],
)
async def test_what_the_process_manager_says_wrongly(manager, keys, error):
    with pytest.raises(OSError) as info:
        await broker(manager(2, keys), 0).begin()
    assert str(info.value.strerror).startswith(error)
    assert "\n" not in str(info.value.strerror)


async def test_cards_that_are_missing_or_none(manager):
    pmi = manager(2, {"1": "[]"})
    root = broker(pmi, 0)
    await root.begin()
    pmi.server._local_size = 1  # nobody else comes
    with pytest.raises(OSError, match="rank 7 has put no business card"):
        await root.exchange(card(0), [7])
    with pytest.raises(OSError, match="rank 1: business card: expected an object"):
        await root.finish()


async def test_a_card_that_is_too_large(manager):
    root = broker(manager(2), 0)
    await root.begin()
    with pytest.raises(OSError, match="bytes: the limit is 1023"):
        await root.exchange(Card("a", KEY, ["ipc:///" + "x" * 1000]), [])


@pytest.mark.parametrize("when", ["begin", "exchange"])
async def test_a_process_manager_that_goes_ends_the_wait(manager, is_open, when):
    pmi = manager(2)
    environ = pmi.environ(0)
    root = find(environ, {}, {})
    if when == "begin":
        pmi.hang_up(0)
        with pytest.raises(OSError, match="the process manager is gone: "):
            await root.begin()
    else:
        await root.begin()
        waiting = asyncio.ensure_future(root.exchange(card(0), [1]))
        while pmi.said[0][-1] != "> cmd=barrier_in":
            await asyncio.sleep(0)
        assert not waiting.done()
        pmi.hang_up(0)
        with pytest.raises(
            OSError, match="the process manager is gone: it has closed the connection"
        ) as info:
            await waiting
        assert info.value.errno == errno.ECONNRESET
    assert not is_open(int(environ["PMI_FD"]))
    with pytest.raises(OSError, match="the connection to the process manager is closed"):
        await root.finish()
    root.close()


async def test_a_wait_that_is_given_up_ends_the_conversation(manager, is_open):
    pmi = manager(2)
    environ = pmi.environ(0)
    root = find(environ, {}, {})
    await root.begin()
    waiting = asyncio.ensure_future(root.exchange(card(0), [1]))
    while pmi.said[0][-1] != "> cmd=barrier_in":
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not is_open(int(environ["PMI_FD"]))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"cmd=barrier_out rc=-1\n", "the process manager refused barrier: pmi: barrier_in: PMI_FAIL"),
        (b"cmd=get_result rc=0\n", "pmi: barrier_in: expected cmd=barrier_out"),
        (b"cmd=barrier_out\ncmd=barrier_out\n", "pmi: 2 lines answer one request"),
        (b"\xff\n", "pmi: a line is not UTF-8 text"),
        (b"x" * 70000, "pmi: a line is longer than 65536 bytes"),
    ],
)
async def test_answers_that_are_none(manager, is_open, answer, error):
    pmi = manager(2)
    environ = pmi.environ(0)
    root = find(environ, {}, {})
    await root.begin()
    waiting = asyncio.ensure_future(root.exchange(card(0), [1]))
    while pmi.said[0][-1] != "> cmd=barrier_in":
        await asyncio.sleep(0)
    pmi.send(0, answer)
    with pytest.raises(OSError) as info:
        await waiting
    assert str(info.value.strerror).startswith(error)
    assert is_open(int(environ["PMI_FD"])) == ("refused" in error)
    root.close()


async def test_an_answer_in_pieces_and_a_descriptor_that_does_not_block(manager):
    import os

    pmi = manager(1)
    environ = pmi.environ(0)
    os.set_blocking(int(environ["PMI_FD"]), False)
    alone = find(environ, {}, {})
    pmi._lines[0] = Lines()
    asking = asyncio.ensure_future(alone.begin())
    while not pmi.said[0]:
        await asyncio.sleep(0)
    assert (await asking)["instance-level"] == "0"
    assert not os.get_inheritable(int(environ["PMI_FD"]))
    await alone.finish()


async def test_a_process_manager_that_does_not_read_is_waited_for():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += theirs.send(b"\n" * 4096)
    environ = {"PMI_FD": str(theirs.detach()), "PMI_RANK": "0", "PMI_SIZE": "1"}
    root = find(environ, {}, {})
    asking = asyncio.ensure_future(root.begin())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not asking.done()
    while sent:
        sent -= len(ours.recv(min(sent, 65536)))
    ours.setblocking(False)
    wanted = b"cmd=init pmi_version=1 pmi_subversion=1\n"
    assert await asyncio.get_running_loop().sock_recv(ours, 100) == wanted
    ours.close()
    with pytest.raises(OSError, match="the process manager is gone"):
        await asking
