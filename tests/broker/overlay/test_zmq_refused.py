# SPDX-License-Identifier: LGPL-3.0-or-later
"""Peers that are refused, and those whose messages are: nobody else notices, and the log says so once."""

import asyncio
import contextlib
import re
import socket
import struct

import pytest

from rosin.broker.overlay.cert import BrokerCertificate
from rosin.rfc.message import MAX_PARTS

from .wire import Lower, Upper

MESSAGE = [b"", b"a.b", b"payload", b"h" * 20]


@pytest.fixture(params=["tcp", "ipc"])
async def upper(request, tmp_path):
    upper = Upper()
    await upper.bind({"tcp": "tcp://127.0.0.1:*", "ipc": f"ipc://{tmp_path}/tbon-0"}[request.param])
    yield upper
    upper.close()
    for stranger in upper.strangers:
        stranger.close()


@pytest.fixture
async def good(upper):
    """A child in order, which nothing is to trouble."""
    lower = Lower()
    link = await lower.connect(upper, upper.admit(), b"good")
    link.send(MESSAGE)
    await upper.until(lambda: upper.received)
    upper.received.clear()
    yield lower
    lower.close()
    assert lower.texts == []


async def works(upper, good):
    """The child in order is as it was."""
    del upper.received[:]
    good.links[0].send([b"up"])
    await upper.until(lambda: (b"good", [b"up"]) in upper.received)
    upper.link.send(b"good", [b"down"])
    await good.until(lambda: [b"down"] in good.received)
    assert upper.received == [(b"good", [b"up"])]
    assert b"good" not in upper.lost


async def test_a_peer_without_keys(upper, good):
    for _ in range(3):
        upper.socket(None, b"peer").send_multipart(MESSAGE)
    await upper.until(lambda: upper.complaints)
    await works(upper, good)
    assert upper.texts == ["refused a program that is not a broker with a key"]


async def test_a_peer_with_keys_that_nobody_knows(upper, good):
    cert = BrokerCertificate.generate()
    upper.socket(cert, b"peer").send_multipart(MESSAGE)
    upper.socket(cert, b"good").send_multipart(MESSAGE)
    await upper.until(lambda: sum(map(len, upper.complaints.values())) >= 2)
    await works(upper, good)
    (text,) = upper.texts
    assert text.startswith("refused a broker at ")
    assert text.endswith(f": its key {cert.public} is not known")


async def test_a_peer_that_wants_another_parent(upper, good):
    """It has a key that is known, and expects another server's."""
    lower = Lower()
    link = await lower.connect(upper, upper.admit(), b"peer", server_key=BrokerCertificate.generate().public)
    link.send(MESSAGE)
    await upper.until(lambda: upper.complaints)
    await works(upper, good)
    assert upper.texts == ["refused a program that is not a broker with a key"]
    await lower.until(lambda: lower.complaints)
    text = f"the broker at {upper.uri} breaks off when keys are exchanged: is its certificate another one?"
    assert (lower.texts, lower.lost) == ([text], [])
    lower.close()


async def test_a_child_learns_that_its_key_is_not_accepted(upper, good):
    lower = Lower()
    link = await lower.connect(upper, BrokerCertificate.generate(), b"peer")
    link.send(MESSAGE)
    await lower.until(lambda: lower.lost)
    assert lower.texts == [f"the broker at {upper.uri} does not accept the key of this broker"]
    await works(upper, good)


async def test_a_key_that_is_taken_off_the_list(upper, good):
    """Its connection ends, what it has sent does not count any more, and it gets no other."""
    lower, cert = Lower(), upper.admit()
    link = await lower.connect(upper, cert, b"peer")
    link.send([b"first"])
    await upper.until(lambda: upper.received)
    link.send([b"second"])
    upper.link.revoke(cert.public)
    with pytest.raises(OSError, match="not connected"):
        upper.link.send(b"peer", [b"x"])
    await upper.until(lambda: upper.lost)
    await lower.until(lambda: lower.lost)
    assert (upper.received, upper.lost) == ([(b"peer", [b"first"])], [b"peer"])
    again = Lower()
    (await again.connect(upper, cert, b"peer")).send([b"x"])
    await again.until(lambda: again.lost)
    assert upper.texts[0] == "the broker peer is not to be connected any more"
    assert f"its key {cert.public} is not known" in upper.texts[1]
    await works(upper, good)
    lower.close()
    again.close()


async def test_a_key_that_is_taken_off_before_the_first_message(upper, good):
    cert = upper.admit()
    zap = upper.link._doorkeeper._socket
    answer = zap._receive

    def let_in_and_regret(frames):
        answer(frames)
        upper.link.revoke(cert.public)

    zap._receive = let_in_and_regret
    upper.socket(cert, b"peer").send(b"x")
    await upper.until(lambda: upper.complaints)  # it has come again
    assert f"its key {cert.public} is not known" in upper.texts[0]
    await works(upper, good)
    assert upper.lost == []


async def test_a_peer_without_an_identity(upper, good):
    cert = upper.admit()
    peer = upper.socket(cert)
    for _ in range(3):
        peer.send_multipart(MESSAGE)
    await upper.until(lambda: upper.complaints)
    await works(upper, good)
    assert upper.texts == [f"refused a broker with key {cert.public}: it has no identity"]


async def test_a_peer_with_the_identity_of_another(upper, good, monkeypatch):
    """Whoever came first has it; the other is not heard, and does not stay."""
    monkeypatch.setattr("rosin.broker.overlay.zdownlink._GRACE", 0.2)
    peer = upper.socket(upper.admit(), b"good")
    for _ in range(3):
        peer.send_multipart(MESSAGE)
    await upper.until(lambda: upper.complaints)
    await works(upper, good)
    assert upper.texts == ["ended a connection that was silent for 0.2 s"]
    assert upper.lost == []


def plain(upper):
    """A connection that says nothing."""
    scheme, _, where = upper.uri.partition("://")
    kind = socket.AF_UNIX if scheme == "ipc" else socket.AF_INET
    connection = socket.socket(kind)
    host, _, port = where.rpartition(":")
    connection.connect(where if scheme == "ipc" else (host, int(port)))
    connection.setblocking(False)
    return connection


async def turns(condition):
    """Turn the loop until a condition holds that no event tells of."""
    while not condition():
        await asyncio.sleep(0)


async def ended(connection):
    """Wait until the other end has closed a connection."""
    while await asyncio.get_running_loop().sock_recv(connection, 4096):
        pass
    connection.close()


async def test_a_connection_that_says_nothing(upper, good, monkeypatch):
    monkeypatch.setattr("rosin.broker.overlay.zdownlink._GRACE", 0.2)
    await ended(plain(upper))
    await works(upper, good)
    assert upper.texts[0] == "ended a connection that was silent for 0.2 s"


async def test_many_connections_that_say_nothing(upper, good):
    upper.link._crowd = 5
    first = [plain(upper) for _ in range(5)]
    await turns(lambda: len(upper.link._silent) == 5)
    for _ in range(3):
        await ended(plain(upper))
    assert upper.texts[0] == "refused a connection: 5 others are silent"
    first.pop().close()
    await turns(lambda: len(upper.link._silent) < 5)
    peer = upper.socket(upper.admit(), b"peer")
    peer.send(b"x")
    await upper.until(lambda: upper.received)
    await works(upper, good)
    for connection in first:
        connection.close()


async def test_an_identity_that_comes_back_is_another_life(upper, good):
    cert = upper.admit()
    for life in range(3):
        peer = upper.socket(cert, b"peer")
        peer.send(b"%d" % life)
        await upper.until(lambda life=life: (b"peer", [b"%d" % life]) in upper.received)
        peer.close()
        await upper.until(lambda life=life: upper.lost == [b"peer"] * (life + 1))
    await works(upper, good)


async def test_an_identity_that_comes_back_before_its_loss_is_told(upper, good):
    """It is told first, then what has come by the new connection."""
    cert = upper.admit()
    upper.socket(cert, b"peer").send(b"first")
    await upper.until(lambda: upper.received)
    told = []
    lose, took = upper.link._lost, upper.link._receive
    upper.link._lost = lambda identity: (told.append("lost"), lose(identity))
    upper.link._receive = lambda identity, frames: (told.append(frames[0]), took(identity, frames))
    upper.link._peers[b"peer"].fd = 12345  # as if another connection had been the first
    upper.strangers[-1].send(b"second")
    await upper.until(lambda: upper.lost)
    assert told == ["lost", b"second"]
    await works(upper, good)


async def test_a_message_that_is_too_large(upper, good, monkeypatch):
    """Its connection ends before it has been read."""
    small = Upper()
    monkeypatch.setattr("rosin.broker.overlay.zcontext.OWNER.message", 1000)
    await small.bind(upper.uri.rpartition(":")[0] + ":*" if upper.uri.startswith("tcp") else upper.uri + "x")
    monkeypatch.undo()
    peer = small.socket(small.admit(), b"peer")
    peer.send(b"x" * 1000)
    await small.until(lambda: small.received)
    peer.send(b"x" * 1100)
    await small.until(lambda: small.lost)
    assert small.received == [(b"peer", [b"x" * 1000])]
    peer.close()
    small.close()


async def test_messages_of_too_many_or_too_large_parts_are_dropped(upper, good, monkeypatch):
    peer = upper.socket(upper.admit(), b"peer")
    peer.send_multipart([b"x"] * MAX_PARTS)
    peer.send_multipart([b"x"] * (MAX_PARTS - 1))
    await upper.until(lambda: upper.received)
    assert [len(frames) for _, frames in upper.received] == [MAX_PARTS - 1]
    monkeypatch.setattr("rosin.broker.overlay.loopsocket.OWNER.message", 1000)
    peer.send_multipart([b"x" * 500, b"x" * 501])
    peer.send_multipart([b"x" * 500, b"x" * 495])
    await upper.until(lambda: len(upper.received) == 2)
    assert upper.received[1] == (b"peer", [b"x" * 500, b"x" * 495])
    await works(upper, good)


async def test_a_child_that_does_not_read(upper, good, monkeypatch):
    """It is lost when too much waits for it, others have their messages meanwhile."""
    monkeypatch.setattr("rosin.broker.overlay.backlog.BUDGET", 1 << 20)
    peer = upper.socket(upper.admit(), b"peer")
    peer.rcvhwm = 1
    peer.send(b"x")
    await upper.until(lambda: upper.received)
    while not upper.complaints:
        upper.link.send(b"peer", [b"x" * 100_000])
        await works(upper, good)
    with pytest.raises(OSError, match="not connected"):
        upper.link.send(b"peer", [b"x"])
    await upper.until(lambda: upper.lost)
    assert re.fullmatch(r"the broker peer does not read: 1\d{6} bytes wait for it", upper.texts[0])
    await works(upper, good)


async def test_a_parent_that_does_not_read(upper, monkeypatch):
    monkeypatch.setattr("rosin.broker.overlay.backlog.BUDGET", 1 << 20)
    lower = Lower()
    link = await lower.connect(upper, upper.admit())
    while not lower.complaints:
        link.send([b"x" * 4096])
    await lower.until(lambda: lower.lost)
    assert re.fullmatch(r"the broker at .* does not read: 1\d{6} bytes wait for it", lower.texts[0])
    lower.close()


async def test_a_flood_from_below_leaves_others_their_turn(upper, good):
    peer = upper.socket(upper.admit(), b"peer")
    for _ in range(20_000):
        peer.send_multipart(MESSAGE)
    await upper.until(lambda: upper.received)
    good.links[0].send([b"up"])
    await upper.until(lambda: (b"good", [b"up"]) in upper.received)
    assert len(upper.received) < 20_000


#: What a ZMTP 3.1 connection begins with: signature, version, mechanism, as a client, filler.
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\0" + bytes(31)


def garbage(rng):
    """Bytes that get some way into the protocol: with or without a greeting, frames of any size."""
    data = bytearray()
    if rng.random() < 0.8:
        data += GREETING
        if rng.random() < 0.3:
            data[rng.randrange(len(data))] = rng.randrange(256)
    for _ in range(rng.randrange(5)):
        body = rng.choice([b"\x05HELLO", b"\x08INITIATE", b"\x07MESSAGE", b""]) + rng.randbytes(
            rng.randrange(300)
        )
        size = rng.choice([len(body), 0, 2**63 - 1, 2**64 - 1, rng.randrange(2**64)])
        data += bytes([rng.choice([0, 1, 4, 255])]) + bytes([len(body) % 256]) if rng.random() < 0.5 else b""
        data += bytes([rng.choice([2, 3, 6])]) + struct.pack(">Q", size) + body
    return bytes(data)


async def test_any_bytes(upper, good, rng):
    for _ in range(150):
        with plain(upper) as connection, contextlib.suppress(OSError):  # it may have been ended already
            connection.sendall(garbage(rng))
            if rng.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
    await works(upper, good)
    assert upper.lost == []
    assert set(upper.texts) <= {"refused a program that is not a broker with a key"}


async def test_any_frames_arrive_as_they_were_sent(upper, good, rng):
    peer = upper.socket(upper.admit(), b"peer")
    sent = []
    for _ in range(300):
        sent.append([rng.randbytes(rng.choice([0, 1, 255, 256, 70_000])) for _ in range(rng.randrange(1, 9))])
        peer.send_multipart(sent[-1])
    await upper.until(lambda: len(upper.received) == len(sent))
    assert [frames for _, frames in upper.received] == sent
    await works(upper, good)


async def test_a_flood_does_not_hide_that_another_is_gone(upper, good, monkeypatch):
    """Though there is always another message to take."""
    monkeypatch.setattr("rosin.broker.overlay.zdownlink._PATIENCE", 10)
    lower = Lower()
    link = await lower.connect(upper, upper.admit(), b"short")
    link.send(MESSAGE)
    await upper.until(lambda: upper.received)
    monkeypatch.setattr(upper.link._socket, "_news", None)
    link.close()
    while not upper.lost:
        count = len(upper.received)
        good.links[0].send(MESSAGE)
        await upper.until(lambda count=count: len(upper.received) > count)
    assert upper.lost == [b"short"]
    monkeypatch.undo()
    await works(upper, good)
