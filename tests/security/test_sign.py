# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 39: signing and verifying with a daemon and with keys."""

import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

from rosin.errors import FormatError
from rosin.rfc import munge as format_munge
from rosin.rfc import sign
from rosin.rfc.munge import Reply
from rosin.security import munge
from rosin.security.signer import Config, Signer

UID = os.getuid()
J = b'{"version":1}'


class FakeMunged:
    """A daemon that keeps payloads in a list instead of encrypting them; a context manager.

    ``hang_up`` connections are closed without an answer. ``status``, ``uid`` and ``age`` are what it says
    about credentials.
    """

    def __init__(self, directory):
        self.path = str(directory / "munge.socket")
        self.payloads = []
        self.retries = []
        self.hang_up = self.status = self.age = 0
        self.uid = UID
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as stream:
                kind, retry, length = format_munge.parse_header(stream.read(format_munge.HEADER_SIZE))
                self.retries.append(retry)
                data, _ = format_munge.parse_request(kind, stream.read(length))
                if self.hang_up:
                    self.hang_up -= 1
                    continue
                stream.write(self._answer(kind, data))

    def _answer(self, kind, data):
        if kind == format_munge.ENC_REQ:
            self.payloads.append(data)
            reply = Reply(self.status, b"MUNGE:%d:\0" % (len(self.payloads) - 1))
            return format_munge.encode_reply(format_munge.ENC_RSP, reply)
        now = int(time.time())
        payload = self.payloads[int(data.split(b":")[1])]
        reply = Reply(self.status, payload, "", self.uid, 0, now - self.age, now, 300)
        return format_munge.encode_reply(format_munge.DEC_RSP, reply)


@pytest.fixture
def munged(tmp_path):
    with FakeMunged(tmp_path) as daemon:
        yield daemon


def site(**tables):
    return Signer(
        Config({"sign": {"max-ttl": 60, "default-type": "munge", "allowed-types": ["munge"], **tables}})
    )


def altered(envelope):
    """The envelope with another payload."""
    header, _, signature = envelope.split(".")
    return f"{sign.signed_text(header, b'other')}.{signature}"


# -- none -----------------------------------------------------------------------------------------


@pytest.mark.rfc(39, "none-sign", "none-verify")
@pytest.mark.rfc(15, "single-user")
def test_none():
    signer = Signer()
    assert signer.unwrap(signer.wrap(J)) == (J, UID, "none")
    with pytest.raises(PermissionError, match=f"user {UID + 1} is claimed by user {UID}"):
        signer.unwrap(sign.wrap(J, UID + 1))


def test_a_mechanism_that_is_not_allowed(munged):
    with pytest.raises(PermissionError, match="mechanism none: the mechanism is not allowed"):
        site(munge={"socket-path": munged.path}).unwrap(sign.wrap(J, UID))
    with pytest.raises(FormatError, match="unknown mechanism 'magic'"):
        Signer().wrap(J, "magic")
    with pytest.raises(PermissionError, match="not allowed"):
        Signer().unwrap(sign.join(sign.signed_text(sign.header(UID, "magic"), J), "x"))


@pytest.mark.parametrize(
    ("tables", "error"),
    [
        ({"sign": 3}, "field 'sign': expected an object"),
        ({"sign": {"max-ttl": "1d"}}, "field 'max-ttl': expected an integer"),
        ({"sign": {"max-ttl": 0}}, "max-ttl: expected seconds above 0"),
        ({"sign": {"default-type": "magic"}}, "unknown mechanism 'magic'"),
        ({"sign": {"allowed-types": ["none", 3]}}, "unknown mechanism 3"),
        ({"sign": {"curve": {"require-ca": 1}}}, "field 'require-ca': expected true or false"),
    ],
)
def test_broken_configuration(tables, error):
    with pytest.raises(FormatError, match=error):
        Config(tables)


# -- munge ----------------------------------------------------------------------------------------


@pytest.mark.rfc(39, "munge-sign", "munge-verify", "munge-ttl", "ttl")
@pytest.mark.rfc(15, "signed-request", "time-to-live")
def test_munge_with_a_daemon_of_our_own(munged):
    signer = site(munge={"socket-path": munged.path})
    envelope = signer.wrap(J)
    assert munged.payloads == [sign.munge_payload(envelope.rpartition(".")[0])]
    assert len(munged.payloads[0]) == 33
    assert signer.unwrap(envelope) == (J, UID, "munge")
    for status in (format_munge.CRED_EXPIRED, format_munge.CRED_REPLAYED):
        munged.status = status
        assert signer.unwrap(envelope) == (J, UID, "munge")
    munged.status, munged.age = 0, 60 - 5
    assert signer.unwrap(envelope) == (J, UID, "munge")
    munged.age = 70
    with pytest.raises(PermissionError, match="older than 60 seconds"):
        signer.unwrap(envelope)


@pytest.mark.rfc(39, "munge-verify")
@pytest.mark.rfc(15, "integrity")
def test_munge_refuses(munged):
    signer = site(munge={"socket-path": munged.path})
    envelope = signer.wrap(J)
    with pytest.raises(PermissionError, match="the content was changed"):
        signer.unwrap(altered(envelope))
    munged.payloads.append(b"\2" + bytes(32))
    with pytest.raises(PermissionError, match="unknown hash type"):
        signer.unwrap(sign.join(envelope.rpartition(".")[0], "MUNGE:1:"))
    munged.uid = UID + 1
    with pytest.raises(PermissionError, match=f"user {UID} is claimed, but user {UID + 1} signed"):
        signer.unwrap(envelope)
    munged.status = format_munge.CRED_REWOUND
    with pytest.raises(PermissionError, match="rewound credential"):
        signer.unwrap(envelope)
    munged.status = format_munge.BAD_CRED
    with pytest.raises(OSError, match="munge: invalid credential format"):
        signer.wrap(J)


def test_a_daemon_that_hangs_up(munged):
    munged.hang_up = 2
    assert munge.encode(b"x", munged.path) == "MUNGE:0:"
    assert munged.retries == [0, 1, 2]
    munged.hang_up = 3
    with pytest.raises(ConnectionError, match="hangs up"):
        munge.encode(b"x", munged.path)


def test_no_daemon(tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot reach the daemon"):
        munge.encode(b"x", str(tmp_path / "none"))
    with pytest.raises(OSError, match="not ASCII"):
        munge.decode("ü", str(tmp_path / "none"))
    path = str(tmp_path / "mute")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with pytest.raises(TimeoutError, match=r"no answer from .* in 0\.01s"):
            munge.decode("MUNGE::", path, timeout=0.01)
    with pytest.raises(ConnectionRefusedError, match="cannot reach"):
        munge.encode(b"x", path)


def test_something_else_that_listens(tmp_path):
    path = str(tmp_path / "other")
    answers = [b"HTTP/1.1 400", format_munge.encode_reply(format_munge.DEC_RSP, Reply(0))]

    def serve(listener):
        for answer in answers:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with pytest.raises(OSError, match="this is not munged"):
            munge.encode(b"x", path)
        with pytest.raises(OSError, match="does not answer the request"):
            munge.encode(b"x", path)
        thread.join()


@pytest.fixture
def real_munged(tmp_path_factory):
    program = shutil.which("munged", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("munged is not installed")
    # The daemon wants a socket directory that all may enter.
    directory = tmp_path_factory.mktemp("munge")
    base = tmp_path_factory.getbasetemp()
    for path in (directory, base, base.parent):  # all three are pytest's own
        path.chmod(0o711)
    (directory / "key").write_bytes(os.urandom(128))
    (directory / "key").chmod(0o600)
    names = ("key-file", "socket", "log-file", "pid-file", "seed-file")
    options = [f"--{name}={directory / name.removesuffix('-file')}" for name in names]
    process = subprocess.Popen(
        [program, "--foreground", "--num-threads=1", *options], stderr=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "Created" in line:
            break
    else:
        process.wait()
        pytest.skip(f"munged does not start: {''.join(lines[-2:])}")
    yield str(directory / "socket")
    process.terminate()
    process.stderr.read()
    process.wait()
    process.stderr.close()


@pytest.mark.system
def test_munge_with_its_daemon(real_munged):
    signer = site(munge={"socket-path": real_munged})
    envelope = signer.wrap(J * 10_000)
    for _ in range(2):  # the second time it is a replay
        assert signer.unwrap(envelope) == (J * 10_000, UID, "munge")
    with pytest.raises(PermissionError, match="the content was changed"):
        signer.unwrap(altered(envelope))
    text, _, signature = envelope.rpartition(".")
    with pytest.raises(PermissionError, match="mechanism munge: "):
        signer.unwrap(sign.join(text, signature[:-9] + "A" * 8 + ":"))
    other = sign.signed_text(sign.header(UID + 1, "munge"), J)
    forged = sign.join(other, munge.encode(sign.munge_payload(other), real_munged))
    with pytest.raises(PermissionError, match=f"user {UID + 1} is claimed, but user {UID} signed"):
        signer.unwrap(forged)


@pytest.mark.system
def test_credentials_go_both_ways_with_munge_itself(real_munged):
    mine = munge.encode(b"hello", real_munged)
    told = subprocess.run(
        ["unmunge", "-S", real_munged, "-m", "/dev/null"],
        input=mine,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "hello"
    theirs = subprocess.run(
        ["munge", "-S", real_munged, "-s", "hi"], capture_output=True, text=True, check=True
    ).stdout
    reply = munge.decode(theirs.strip(), real_munged)
    assert (reply.status, reply.data, reply.uid) == (0, b"hi", UID)
