# SPDX-License-Identifier: LGPL-3.0-or-later
"""Messages between brokers over real sockets: what arrives, in which order, and what a break is."""

import asyncio
import errno
import os
import stat
from itertools import pairwise

import pytest

from rosin.broker.overlay.cert import BrokerCertificate
from rosin.broker.overlay.loopsocket import BATCH
from rosin.errors import FormatError

from .wire import Lower, Upper

MESSAGE = [b"", b"a.b", b"payload", b"h" * 20]


@pytest.fixture(params=["tcp", "ipc", "tcp6"])
async def upper(request, tmp_path):
    upper = Upper(ipv6=request.param == "tcp6")
    uri = {"tcp": "tcp://127.0.0.1:*", "ipc": f"ipc://{tmp_path}/tbon-0", "tcp6": "tcp://[::1]:*"}[
        request.param
    ]
    await upper.bind(uri)
    yield upper
    upper.close()


@pytest.fixture
def lowers():
    made = []

    def make(upper):
        lower = Lower(upper.ipv6)
        made.append(lower)
        return lower

    yield make
    for lower in made:
        lower.close()


async def test_messages_up_and_down(upper, lowers):
    lower = lowers(upper)
    link = await lower.connect(upper, upper.admit())
    link.send(MESSAGE)
    await upper.until(lambda: upper.received)
    assert upper.received == [(b"child", MESSAGE)]
    upper.link.send(b"child", [b"x" * 300_000])
    upper.link.send(b"child", MESSAGE)
    await lower.until(lambda: len(lower.received) == 2)
    assert lower.received == [[b"x" * 300_000], MESSAGE]
    assert (upper.lost, lower.lost, upper.texts, lower.texts) == ([], [], [], [])


async def test_where_brokers_can_be_reached(upper, tmp_path):
    assert "*" not in upper.uri
    if upper.uri.startswith("ipc"):
        assert stat.S_ISSOCK((tmp_path / "tbon-0").stat().st_mode)
    upper.link.close()
    upper.link.close()
    assert os.listdir(tmp_path) == []


async def test_many_messages_keep_their_order(upper, lowers):
    """More than are taken in one turn, more than ZeroMQ holds, both ways at once."""
    lower = lowers(upper)
    link = await lower.connect(upper, upper.admit())
    numbers = [[b"%d" % i] for i in range(20 * BATCH)]
    for message in numbers:
        link.send(message)
    await upper.until(lambda: upper.received)
    for message in numbers:
        upper.link.send(b"child", message)
    await upper.until(lambda: len(upper.received) == len(numbers))
    await lower.until(lambda: len(lower.received) == len(numbers))
    assert upper.received == [(b"child", message) for message in numbers]
    assert lower.received == numbers
    assert upper.link.outflow(b"child").backlog() == link.outflow.backlog() == 0


async def test_other_work_has_its_turn_between_many_messages(upper, lowers):
    lower = lowers(upper)
    link = await lower.connect(upper, upper.admit())
    for _ in range(200):
        link.send(MESSAGE)
    await upper.until(lambda: upper.received)
    counts = []
    while len(upper.received) < 200:
        counts.append(len(upper.received))
        await asyncio.sleep(0)
    counts.append(200)
    assert max(b - a for a, b in pairwise(counts)) <= BATCH


async def test_a_receiver_that_fails_takes_the_next_message(upper, lowers):
    lower = lowers(upper)
    link = await lower.connect(upper, upper.admit())
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    took = upper.took

    def fail(*message):
        took(*message)
        raise ValueError("x")

    upper.link._receive = fail
    for _ in range(3):
        link.send(MESSAGE)
    await upper.until(lambda: len(upper.received) == 3)
    assert len(failures) == 3


async def test_who_is_not_connected(upper, lowers):
    lower = lowers(upper)
    await lower.connect(upper, upper.admit())
    for identity in (b"child", b"other"):
        with pytest.raises(OSError) as caught:
            upper.link.send(identity, MESSAGE)
        assert caught.value.errno == errno.EHOSTUNREACH


async def test_a_child_that_ends_is_lost_at_once(upper, lowers):
    """And what it has sent before that comes first."""
    lower = lowers(upper)
    link = await lower.connect(upper, upper.admit())
    link.send(MESSAGE)
    await upper.until(lambda: upper.received)
    for _ in range(3 * BATCH):
        link.send(MESSAGE)
    counts = []
    lose = upper.link._lost
    upper.link._lost = lambda identity: (counts.append(len(upper.received)), lose(identity))
    link.close()
    await upper.until(lambda: upper.lost)
    assert upper.lost == [b"child"]
    assert counts == [3 * BATCH + 1]
    with pytest.raises(OSError, match="not connected"):
        upper.link.send(b"child", MESSAGE)
    assert lower.lost == []


async def test_a_parent_that_ends_is_lost_at_once(upper, lowers):
    lower = lowers(upper)
    link = await lower.connect(upper, upper.admit())
    link.send(MESSAGE)
    await upper.until(lambda: upper.received)
    upper.link.send(b"child", MESSAGE)
    upper.link.close()
    await lower.until(lambda: lower.lost)
    assert (lower.lost, lower.received) == (["parent"], [MESSAGE])
    assert lower.texts == [f"the broker at {upper.uri} has closed the connection"]
    link.send(MESSAGE)
    link.close()
    with pytest.raises(OSError, match="not connected"):
        upper.link.send(b"child", MESSAGE)
    assert upper.lost == []


async def test_messages_wait_for_a_parent_that_is_not_there_yet(upper, lowers, tmp_path):
    lower = lowers(upper)
    cert = BrokerCertificate.generate()
    upper.link.close()
    link = await lower.connect(upper, cert)
    for i in range(1000):
        link.send([b"%d" % i])
    late = Upper(upper.ipv6)
    await late.bind(upper.uri, keys=upper.keys)
    late.link.authorize("child", cert.public)
    await late.until(lambda: len(late.received) == 1000)
    assert late.received == [(b"child", [b"%d" % i]) for i in range(1000)]
    late.close()


async def test_children_do_not_mix(upper, lowers):
    links = {}
    for name in (b"one", b"two", b"three"):
        lower = lowers(upper)
        links[name] = lower, await lower.connect(upper, upper.admit(), name)
    for name, (_, link) in links.items():
        link.send([name])
    await upper.until(lambda: len(upper.received) == 3)
    assert sorted(upper.received) == sorted((name, [name]) for name in links)
    for name in links:
        upper.link.send(name, [b"for " + name])
    links[b"two"][1].close()
    await upper.until(lambda: upper.lost)
    upper.link.send(b"one", [b"more"])
    await links[b"one"][0].until(lambda: len(links[b"one"][0].received) == 2)
    assert links[b"one"][0].received == [[b"for one"], [b"more"]]
    assert upper.lost == [b"two"]


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("tcp://192.0.2.1:*", "overlay: bind to tcp://192.0.2.1:*: Cannot assign requested address"),
        (
            "ipc:///no/such/directory/x",
            "overlay: bind to ipc:///no/such/directory/x: No such file or directory",
        ),
        ("udp://127.0.0.1:1", "overlay: 'udp://127.0.0.1:1' is not an address of a broker, such as "),
        ("tcp://", "overlay: 'tcp://' is not an address of a broker, such as "),
    ],
)
async def test_where_no_broker_can_be(uri, text):
    upper = Upper()
    with pytest.raises(OSError) as caught:
        await upper.bind(uri)
    assert caught.value.strerror.startswith(text)
    assert upper.transport._context is None


@pytest.mark.parametrize("uri", ["udp://127.0.0.1:1", "tcp://127.0.0.1:x", "tcp://127.0.0.1"])
async def test_what_no_broker_connects_to(uri):
    lower = Lower()
    cert = BrokerCertificate.generate()
    with pytest.raises(OSError, match=r"overlay: ") as caught:
        await lower.transport.connect(uri, cert.public, cert, b"x", lower.took, lower.lose)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(FormatError, match="40 characters of Z85"):
        await lower.transport.connect("tcp://127.0.0.1:1", "short", cert, b"x", lower.took, lower.lose)
    assert lower.transport._context is None


async def test_events_of_sockets_are_told_on_demand(tmp_path):
    told = []
    upper = Upper()
    upper.transport.trace = told.append
    await upper.bind(f"ipc://{tmp_path}/tbon-0")
    lower = Lower()
    link = await lower.connect(upper, upper.admit())
    link.send(MESSAGE)
    await upper.until(lambda: upper.received)
    link.close()
    await upper.until(lambda: upper.lost)
    words = [text.removeprefix(f"socket {upper.uri}: ").rstrip("0123456789") for text in told]
    assert words == ["listening ", "accepted ", "handshake succeeded ", "disconnected "]
    upper.close()
    lower.close()


async def test_who_has_much_to_send_can_wait(tmp_path):
    """Until a child, and a parent, take what waits for them; or until they are gone."""
    upper = await Upper().bind(f"ipc://{tmp_path}/tbon-0")
    peer = upper.socket(upper.admit(), b"peer")
    peer.send(b"x")
    await upper.until(lambda: upper.received)
    flow = upper.link.outflow(b"peer")
    await asyncio.wait_for(flow.drained(), 30)

    data = b"x" * 100_000

    def fill(size):
        while flow.backlog() < size:
            upper.link.send(b"peer", [data])
        return asyncio.create_task(flow.drained()), asyncio.create_task(flow.drained())

    waits = fill(4 << 20)
    while not waits[0].done():
        await asyncio.sleep(0)
        while peer.poll(0):
            peer.recv()
    await waits[1]
    assert flow.backlog() < 4 << 20
    waits = fill(256 << 20)  # more than both ends of ZeroMQ take of it by and by
    await asyncio.sleep(0)
    assert not waits[0].done()
    peer.close()
    await asyncio.gather(*waits)
    upper.close()


async def test_who_has_much_to_send_up_can_wait(upper, lowers):
    lower = lowers(upper)
    link = await lower.connect(upper, upper.admit())
    while link.outflow.backlog() < 4 << 20:
        link.send([b"x" * 100_000])
    await link.outflow.drained()
    assert upper.received
    while link.outflow.backlog() < 4 << 20:
        link.send([b"x" * 100_000])
    waits = asyncio.create_task(link.outflow.drained())
    await asyncio.sleep(0)
    link.close()
    await waits
