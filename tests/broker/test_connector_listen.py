# SPDX-License-Identifier: LGPL-3.0-or-later
"""The connector's socket and its door: where it listens, who is who, and what happens without descriptors."""

import asyncio
import errno
import os
import pwd
import socket
import stat

import pytest

from rosin.broker import connector as connector_module
from rosin.broker.connector import ConnectorLocal, peer_credentials
from rosin.constants import FLUX_ROLE_ADMIN, FLUX_ROLE_LOCAL, FLUX_ROLE_OWNER, FLUX_ROLE_USER
from rosin.handle.aio import AsyncFlux
from rosin.process.directory import socket_path
from rosin.rfc.message import Message
from rosin.testing import Instance

OWNER, GUEST = os.getuid(), 4242


class Door:
    """An instance with a connector that listens; ``access`` is its table of the configuration."""

    def __init__(self, access=None, uri=None):
        attrs = {"local-uri": uri} if uri else {}
        self.inst = Instance(config={"access": access or {}}, attrs=attrs)

    async def __aenter__(self):
        await self.inst.__aenter__()
        self.connector = await self.inst.load(ConnectorLocal)
        self.uri = self.inst.broker.attrs.value("local-uri")
        self.path = self.uri.removeprefix("local://")
        return self

    async def __aexit__(self, *exc):
        await self.inst.__aexit__(*exc)

    async def knock(self):
        """A connection, whose answer byte is still to be read."""
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        with socket_path(self.path) as name:
            await asyncio.get_running_loop().sock_connect(sock, name)
        return sock

    def logged(self, text):
        return [line for line in self.inst.logged() if text in line]


async def answer(sock) -> int:
    """The byte that says whether a program may come in."""
    data = await asyncio.get_running_loop().sock_recv(sock, 1)
    sock.close()
    return data[0]


# -- where it listens -------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["tcp://localhost", "local://relative", "/no/scheme"])
async def test_a_uri_that_is_none(uri):
    async with Door(uri=uri) as door:
        with pytest.raises(
            OSError, match=f"local-uri: '{uri}' is not local:// with an absolute path"
        ) as caught:
            door.connector.listen()
        assert caught.value.errno == errno.EINVAL


async def test_everybody_may_knock():
    async with Door() as door:
        door.connector.listen()
        assert stat.S_IMODE(os.stat(door.path).st_mode) == 0o777
        assert await answer(await door.knock()) == 0
    assert not os.path.exists(door.path)


async def test_the_socket_of_a_killed_broker_is_replaced():
    async with Door() as door:
        with socket.socket(socket.AF_UNIX) as old, socket_path(door.path) as name:
            old.bind(name)
        door.connector.listen()
        assert await answer(await door.knock()) == 0


async def test_a_file_that_is_no_socket_is_not_removed(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    async with Door(uri=f"local://{path}") as door:
        with pytest.raises(OSError, match=f"cannot listen on {path}: Address already in use") as caught:
            door.connector.listen()
        assert caught.value.errno == errno.EADDRINUSE
        assert door.connector._listener is None
    assert path.read_text() == "mine"


async def test_a_directory_that_is_not_there():
    async with Door(uri="local:///nonexistent/x") as door:
        with pytest.raises(FileNotFoundError, match="cannot listen on /nonexistent/x: No such file"):
            door.connector.listen()


async def test_the_end_closes_every_connection():
    async with Door() as door:
        door.connector.listen()
        h = await AsyncFlux.connect(door.uri)
        await h.rpc("broker.ping", {})
        os.unlink(door.path)  # by somebody who tidies up
    with pytest.raises(ConnectionError):
        await h.rpc("broker.ping", {})
    await h.close()


# -- who is who -------------------------------------------------------------------------------------

NOBODY = None


@pytest.mark.parametrize("root_owner", [False, True])
@pytest.mark.parametrize("guests", [False, True])
@pytest.mark.parametrize("owner", [0, 1000])
async def test_users_and_their_roles(owner, guests, root_owner):
    async with Door({"allow-guest-user": guests, "allow-root-owner": root_owner}) as door:
        door.inst.broker.credential = (owner, FLUX_ROLE_OWNER | FLUX_ROLE_LOCAL)

        def who(uid):
            try:
                return door.connector.authenticate(uid)
            except PermissionError:
                return NOBODY

        assert who(owner) == (owner, FLUX_ROLE_OWNER)
        assert who(GUEST) == ((GUEST, FLUX_ROLE_USER) if guests else NOBODY)
        if owner:
            root = (owner, FLUX_ROLE_OWNER) if root_owner else (0, FLUX_ROLE_USER) if guests else NOBODY
            assert who(0) == root


async def test_access_follows_the_configuration():
    async with Door() as door:
        h = await door.inst.connect()
        with pytest.raises(PermissionError):
            door.connector.authenticate(GUEST)
        await h.rpc("connector-local.config-reload", {"access": {"allow-guest-user": True}})
        assert door.connector.authenticate(GUEST) == (GUEST, FLUX_ROLE_USER)
        with pytest.raises(OSError, match=r"access\.allow-guest-user: expected true or false"):
            await h.rpc("connector-local.config-reload", {"access": {"allow-guest-user": 1}})
        assert door.connector.authenticate(GUEST) == (GUEST, FLUX_ROLE_USER)


async def test_some_guests_have_a_role_besides():
    nobody = pwd.getpwnam("nobody")
    access = {"allow-guest-user": True, "roles": {"admin": {"users": ["no such user", nobody.pw_name]}}}
    async with Door(access) as door:
        h = await door.inst.connect()
        assert door.connector.authenticate(nobody.pw_uid) == (nobody.pw_uid, FLUX_ROLE_USER | FLUX_ROLE_ADMIN)
        assert any("no user has the name no such user" in line for line in door.inst.logged())
        owner = door.inst.broker.owner
        assert door.connector.authenticate(owner) == (owner, FLUX_ROLE_OWNER)
        refused = {"access": {**access, "roles": {"admin": {"users": [3]}}, "allow-guest-user": False}}
        with pytest.raises(OSError, match=r"access\.roles\.admin\.users: expected an array of strings"):
            await h.rpc("connector-local.config-reload", refused)
        assert door.connector.authenticate(nobody.pw_uid) == (nobody.pw_uid, FLUX_ROLE_USER | FLUX_ROLE_ADMIN)
        await h.rpc("connector-local.config-reload", {"access": {"allow-guest-user": True}})
        assert door.connector.authenticate(nobody.pw_uid) == (nobody.pw_uid, FLUX_ROLE_USER)


async def test_who_is_not_welcome_is_told(monkeypatch):
    async with Door() as door:
        door.connector.listen()
        monkeypatch.setattr(connector_module, "peer_credentials", lambda _sock: (GUEST, 1))
        assert await answer(await door.knock()) == errno.EPERM
        assert not door.connector.clients


def test_credentials_are_the_kernels():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_credentials(ours) == (os.getuid(), os.getpid())


# -- without descriptors ----------------------------------------------------------------------------


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr(connector_module, "PAUSE", 0.0)


@pytest.mark.usefixtures("no_pause")
async def test_nobody_is_lost_while_there_are_too_many_files(monkeypatch):
    async with Door() as door:
        door.connector.listen()
        monkeypatch.setattr(connector_module, "usable", lambda: 0)
        assert await answer(await door.knock()) == 0  # it is in already when that is noticed
        (line,) = door.logged("cannot accept a client")
        assert "trying again in 0s: Too many open files" in line
        waiting = await door.knock()
        await door.inst.settle()
        with pytest.raises(BlockingIOError):
            waiting.recv(1)
        monkeypatch.undo()
        assert await answer(waiting) == 0
        assert await answer(await door.knock()) == 0


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("room", [0, 1])
async def test_the_last_file_is_not_a_clients(monkeypatch, room):
    async with Door() as door:
        door.connector.listen()
        numbers = []
        welcome = door.connector._welcome
        monkeypatch.setattr(
            door.connector, "_welcome", lambda *args: (numbers.append(args[1]), welcome(*args))
        )
        monkeypatch.setattr(connector_module, "usable", lambda: numbers[-1] + room)
        assert await answer(await door.knock()) == 0
        assert len(door.logged("cannot accept a client")) == 1 - room


class Listener:
    """A listening socket that fails to accept, or to be duplicated, as often as is said."""

    def __init__(self, sock, accepts=(), dups=()):
        self._sock, self.accepts, self.dups = sock, list(accepts), list(dups)

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def accept(self):
        if self.accepts:
            raise OSError(self.accepts.pop(), "cannot")
        return self._sock.accept()

    def dup(self):
        if self.dups:
            raise OSError(self.dups.pop(), "cannot")
        return self._sock.dup()


@pytest.mark.usefixtures("no_pause")
async def test_an_accept_that_fails_is_tried_again():
    async with Door() as door:
        door.connector.listen()
        listener = Listener(door.connector._listener, [errno.EMFILE], [errno.EMFILE] * 2)
        door.connector._listener = listener
        assert await answer(await door.knock()) == 0
        (line,) = door.logged("cannot accept a client")
        assert line.endswith("trying again in 0s: cannot")
        assert (listener.accepts, listener.dups) == ([], [])


@pytest.mark.parametrize(
    ("owner", "room", "answered"), [(GUEST, 0, errno.EMFILE), (GUEST, 2, 0), (OWNER, 0, 0)]
)
async def test_half_of_the_files_are_not_for_guests(monkeypatch, owner, room, answered):
    async with Door({"allow-guest-user": True}) as door:
        door.inst.broker.credential = (owner, FLUX_ROLE_OWNER | FLUX_ROLE_LOCAL)
        door.connector.listen()
        numbers = []
        welcome = door.connector._welcome
        monkeypatch.setattr(
            door.connector, "_welcome", lambda *args: (numbers.append(args[1]), welcome(*args))
        )
        monkeypatch.setattr(connector_module, "descriptors", lambda: 2 * numbers[-1] + room)
        assert await answer(await door.knock()) == answered


@pytest.mark.parametrize("errnum", [errno.EAGAIN, errno.EINTR, errno.ECONNABORTED])
async def test_a_client_that_has_gone_again_costs_nothing(errnum):
    async with Door() as door:
        door.connector.listen()
        door.connector._listener = Listener(door.connector._listener, [errnum])
        assert await answer(await door.knock()) == 0
        assert not door.logged("cannot accept a client")


@pytest.mark.usefixtures("no_pause")
async def test_the_end_may_come_while_clients_wait(monkeypatch):
    async with Door() as door:
        door.connector.listen()
        monkeypatch.setattr(connector_module, "usable", lambda: 0)
        assert await answer(await door.knock()) == 0
        waiting = await door.knock()
        await door.connector.stop()
        await door.inst.settle()  # the pause is over, and nobody listens any more
        with waiting, pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(waiting, 1)
        door.connector._accept()


async def test_a_fault_of_ours_ends_that_connection_only(monkeypatch):
    async with Door() as door:
        door.connector.listen()
        with monkeypatch.context() as patched:
            patched.setattr(connector_module, "peer_credentials", lambda _sock: 1 / 0)
            sock = await door.knock()
            assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""
            sock.close()
        assert door.logged("ZeroDivisionError")
        assert await answer(await door.knock()) == 0


async def test_a_false_alarm_does_not_make_the_broker_wait():
    async with Door() as door:
        door.connector.listen()
        door.connector._accept()  # nobody is there
        assert not door.connector.clients
        assert not door.logged("cannot accept")


async def test_who_goes_before_the_answer_costs_nothing(monkeypatch):
    ours, theirs = socket.socketpair()
    theirs.close()
    async with Door() as door:
        door.connector._welcome(ours, ours.fileno())
        assert ours.fileno() == -1
        assert not door.connector.clients


@pytest.mark.parametrize(("files", "usable"), [(8, 7), (512, 448), (4096, 4032)])
def test_descriptors_are_left_for_the_owners_jobs(monkeypatch, files, usable):
    monkeypatch.setattr(connector_module, "descriptors", lambda: files)
    assert connector_module.usable() == usable


# -- what is kept -----------------------------------------------------------------------------------


async def test_an_event_is_framed_once():
    async with Door() as door:
        one, other = Message.event("a"), Message.event("b")
        framed = door.connector.frame_event(one)
        assert door.connector.frame_event(one) is framed
        assert door.connector.frame_event(other) != framed
        assert door.connector.frame_event(one) == framed


async def test_the_last_speaker_is_forgotten_with_its_connection():
    async with Door() as door:
        door.connector.listen()
        h, other = await AsyncFlux.connect(door.uri), await AsyncFlux.connect(door.uri)
        await h.rpc("broker.ping", {})
        speaker = door.connector.speaker
        assert speaker is not None
        stats = await h.rpc("connector-local.stats-get")
        assert stats["server"]["connects"] == 2
        await other.close()
        await door.inst.settle()
        assert door.connector.speaker is speaker
        await h.close()
        await door.inst.settle()
        assert door.connector.speaker is None
        assert not door.connector.clients
