# SPDX-License-Identifier: LGPL-3.0-or-later
"""What flux-core's brokers send to each other, frame by frame, is what ours would."""

import asyncio
import os
import subprocess

import pytest

from rosin.broker.overlay.cert import BrokerCertificate
from rosin.broker.overlay.hello import HELLO, Control, Hello, control, version_number
from rosin.broker.overlay.zmq import ZmqTransport
from rosin.constants import FLUX_MSGTYPE_CONTROL, FLUX_MSGTYPE_EVENT, FLUX_MSGTYPE_REQUEST
from rosin.rfc.frames import decode_frames, encode_frames

CONFIG = """\
[bootstrap]
curve_cert = "{path}/cert"
hosts = [
    {{ host = "node0", bind = "ipc://{path}/tbon-0", connect = "ipc://{path}/tbon-0" }},
    {{ host = "node1" }},
]
"""

#: Publishes events, and ends with its broker.
PROGRAM = ("sh", "-c", "while flux event pub test; do :; done")


class Wire:
    """One end, which keeps what comes until it has what it waits for."""

    def __init__(self, path):
        self.path = path
        self.uri = f"ipc://{path}/tbon-0"
        self.cert = BrokerCertificate.generate({"name": "test"})
        self.cert.write(str(path / "cert"))
        (path / "config").mkdir()
        (path / "config" / "bootstrap.toml").write_text(CONFIG.format(path=path))
        self.complaints = []
        self.transport = ZmqTransport(lambda _kind, text: self.complaints.append(text))
        self.messages = asyncio.Queue()

    def broker(self, flux, rank, *words):
        """Start flux-core's broker of a rank."""
        options = [
            "-Sbroker.boot-method=config",
            f"--config-path={self.path}/config",
            f"-Shostname=node{rank}",
        ]
        env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
        env["TMPDIR"] = str(self.path)  # what a killed broker leaves goes with it
        return subprocess.Popen(
            [flux, "broker", *options, "-Sbroker.rc1_path=", "-Sbroker.rc3_path=", *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    async def next(self):
        """The next message, whose frames are those that we make of it."""
        frames = await self.messages.get()
        msg = decode_frames(frames[:])
        assert encode_frames(msg) == frames
        return msg

    async def until(self, condition):
        while not condition(msg := await self.next()):
            pass
        return msg


@pytest.fixture
def wire(tmp_path):
    return Wire(tmp_path)


def end(process):
    process.kill()
    process.communicate()


async def test_a_broker_of_flux_core_below(flux, wire):
    identities = set()

    def receive(identity, frames):
        identities.add(identity)
        wire.messages.put_nowait(frames)

    link = await wire.transport.bind([wire.uri], wire.cert, receive, identities.discard)
    link.authorize("all", wire.cert.public)
    process = wire.broker(flux, 1)
    try:
        msg = await wire.next()
        assert (msg.topic, msg.route) == (HELLO, [])
        hello = Hello.decode(msg)
        assert hello == Hello(1, version_number(), hello.uuid, "full", "node1")
        assert identities == {hello.uuid}
        ours = hello.encode(msg.userid)
        assert encode_frames(ours)[::3] == encode_frames(msg)[::3]
        assert ours.data == msg.data
        link.send(hello.uuid, encode_frames(msg.response({"uuid": "test"})))
        await wire.until(
            lambda msg: msg.type == FLUX_MSGTYPE_REQUEST and msg.topic == "state-machine.monitor"
        )
        link.send(hello.uuid, encode_frames(control(Control.DISCONNECT)))
        while identities:
            await asyncio.sleep(0.01)
        assert wire.complaints == []
    finally:
        end(process)
        link.close()


async def test_a_broker_of_flux_core_above(flux, wire):
    process = wire.broker(flux, 0, "-Sbroker.quorum=1", *PROGRAM)
    lost = []
    link = await wire.transport.connect(
        wire.uri, wire.cert.public, wire.cert, b"test", wire.messages.put_nowait, lambda: lost.append(True)
    )
    try:
        link.send(encode_frames(Hello(1, version_number(), b"test", "full", "node1").encode(os.getuid())))
        msg = await wire.next()
        assert (msg.topic, msg.errnum, msg.route) == (HELLO, 0, [])
        link.send(encode_frames(control(Control.HEARTBEAT)))
        event = await wire.until(lambda msg: msg.type == FLUX_MSGTYPE_EVENT)
        assert event.topic == "test"  # its route is that of who has published it, for nobody
        process.kill()
        while not lost:
            await asyncio.sleep(0.01)
        assert wire.complaints == [f"the broker at {wire.uri} has closed the connection"]
    finally:
        end(process)
        link.close()


async def test_a_stranger_is_told_so(flux, wire):
    process = wire.broker(flux, 0, "-Sbroker.quorum=1", *PROGRAM)
    link = await wire.transport.connect(
        wire.uri, wire.cert.public, wire.cert, b"test", wire.messages.put_nowait, lambda: None
    )
    try:
        link.send(encode_frames(control(Control.HEARTBEAT)))
        msg = await wire.next()
        assert (msg.type, msg.aux1) == (FLUX_MSGTYPE_CONTROL, Control.DISCONNECT)
    finally:
        end(process)
        link.close()
