# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which tests count as going through the wire."""

import socket
import subprocess
import sys
from pathlib import Path

from rosin.broker.broker import Broker
from rosin.process.directory import socket_path
from rosin.rfc.message import Message
from rosin.testing import Instance

from . import wire


async def test_a_message_of_a_client_counts() -> None:
    async with Instance() as instance:
        h = await instance.connect()
        with wire.watched() as crossing:
            await instance.settle()
            assert not crossing.seen
            assert await h.attr("rank") == "0"
        assert crossing.seen


async def test_an_event_counts() -> None:
    async with Instance() as instance:
        h = await instance.connect()
        with wire.watched() as crossing:
            h.client.receive(Message.event("a"))
        assert crossing.seen


def test_a_connection_counts_on_both_sides(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        with wire.watched() as crossing, socket_path(str(tmp_path / "s")) as name:
            server.bind(name)
            server.listen()
            assert not crossing.seen
            client.connect(name)
            assert crossing.seen
        with wire.watched() as crossing:
            server.accept()[0].close()
        assert crossing.seen


def test_a_program_counts() -> None:
    with wire.watched() as crossing:
        subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    assert crossing.seen


def test_functions_do_not_and_nothing_is_left_behind() -> None:
    before = dict(vars(Broker)), dict(vars(socket.socket)), dict(vars(subprocess.Popen))
    with wire.watched() as crossing:
        Message.request("a.b").response({})
    assert not crossing.seen
    assert (dict(vars(Broker)), dict(vars(socket.socket)), dict(vars(subprocess.Popen))) == before
