# SPDX-License-Identifier: LGPL-3.0-or-later
"""Terminals and their protocol."""

import errno
import os
import select
import signal

import pytest
from tests.shell.fakes import FakeHandle, FakeShell

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.job import ptydata
from rosin.process.spawn import spawn
from rosin.shell.pty import Pty
from rosin.shell.terminus import Session


def test_bytes_in_messages():
    assert ptydata.encode(b"abc") == {"type": "data", "data": "abc"}
    for data in (b"a\0", b"\xff", "é".encode()[:1]):
        assert ptydata.encode(data)["encoding"] == "base64"
        assert ptydata.decode(ptydata.encode(data)) == data
    for message in ({}, {"data": 1}, {"data": "x", "encoding": "hex"}, {"data": "!", "encoding": "base64"}):
        with pytest.raises(ValueError, match=r"."):
            ptydata.decode(message)


def test_a_program_that_has_let_go_of_its_terminal_gets_signals():
    pty = Pty(FakeHandle(), capture=True, wait=False)
    end = pty.follower
    command = ["sh", "-c", "trap '' HUP; exec sleep 1000 < /dev/null > /dev/null 2>&1"]
    child = spawn(command, env=dict(os.environ), stdin=end, stdout=end, stderr=end, terminal=True)
    try:
        pty.started(child.pid)
        while not pty.closed:
            select.select([pty.leader], [], [])
            pty._readable(0)
        pty.kill(signal.SIGTERM)
        assert select.select([child.pidfd], [], [], 30)[0]  # type: ignore[type-var]
    finally:
        child.kill(signal.SIGKILL)
        child.wait()


def test_who_waits_for_the_end_of_all_terminals_is_told_when_the_shell_ends():
    shell = FakeShell()
    terminus = shell.load("pty")
    terminus.server.add(0, Session("one", Pty(shell.h, capture=False, wait=True)))
    shell.request("terminus.kill-server", None)
    assert shell.h.responses == []
    terminus.shell_exit()
    assert shell.h.responses == [("terminus.kill-server", 0, None)]


@pytest.fixture
def session(real_instance):
    """(handle, service, job) of an interactive job; ``cat`` in it echoes."""
    from rosin.job import cancel, event_wait, submit
    from rosin.job.spec_v1 import JobspecV1

    with Flux(real_instance.uri) as h:
        jobspec = JobspecV1.from_command(["sh", "-c", "stty -echo; echo ready; cat"])
        jobspec.setattr_shell_option("pty", {"interactive": 1})
        jobspec.environment = dict(os.environ)
        jobid = submit(h, jobspec)
        event_wait(h, jobid, "shell.start", eventlog="guest.exec.eventlog")
        context = event_wait(h, jobid, "shell.init", eventlog="guest.exec.eventlog").context
        assert context["pty"] == "terminus.0"
        yield h, context["service"]
        try:
            cancel(h, jobid)
        except OSError:
            assert event_wait(h, jobid, "clean")


SIZE = {"rows": 10, "cols": 20}


def attach(h, service, **fields):
    request = {"type": "attach", "mode": "rw", "winsize": SIZE, **fields}
    return h.rpc(f"{service}.terminus.0", request, flags=FLUX_RPC_STREAMING)


def read(stream, text):
    seen = b""
    while text not in seen:
        message = stream.get()
        stream.reset()
        if message["type"] == "data":
            seen += ptydata.decode(message)
    return seen


@pytest.mark.system
def test_two_clients_see_and_type(session, real_instance):
    h, service = session
    first = attach(h, service)
    read(first, b"ready")
    with Flux(real_instance.uri) as other:
        second = attach(other, service, mode="ro")
        assert second.get() == {"type": "attach"}
        second.reset()
        topic = f"{service}.terminus.0"
        assert other.rpc(topic, {"type": "data", "data": "no\n"}).get() is None  # it may only look
        assert h.rpc(topic, {"type": "data", "data": "both\n"}).get() is None
        assert read(first, b"both") == read(second, b"both")
        assert h.rpc(f"{service}.terminus.list").get()["sessions"][0]["clients"] == 2
    while h.rpc(f"{service}.terminus.list").get()["sessions"][0]["clients"] == 2:
        pass
    h.rpc(topic, {"type": "data", "data": "\4"}).get()
    while (message := first.get())["type"] != "exit":
        first.reset()
    assert message == {"type": "exit", "message": "session exiting", "status": 0}


@pytest.mark.system
def test_what_a_terminal_refuses(session):
    h, service = session
    topic = f"{service}.terminus.0"

    def refused(request, errnum, flags=0):
        with pytest.raises(OSError, match=r".") as raised:
            h.rpc(topic, request, flags=flags).get()
        assert raised.value.errno == errnum

    refused({"type": "data", "data": ""}, errno.ENOENT)
    refused({"type": "attach", "mode": "rw", "winsize": SIZE}, errno.EPROTO)
    refused({"type": "attach", "mode": "xx", "winsize": SIZE}, errno.EPROTO, FLUX_RPC_STREAMING)
    refused({"type": "attach", "mode": "rw"}, errno.EPROTO, FLUX_RPC_STREAMING)
    for size in ({"rows": 0, "cols": 1}, {"rows": 1, "cols": 1 << 16}, {"rows": -1, "cols": 1}):
        refused({"type": "attach", "mode": "rw", "winsize": size}, errno.EINVAL, FLUX_RPC_STREAMING)
    refused({}, errno.EPROTO)
    stream = attach(h, service)
    assert stream.get() == {"type": "attach"}
    refused({"type": "attach", "mode": "rw", "winsize": SIZE}, errno.EEXIST, FLUX_RPC_STREAMING)
    refused({"type": "resize"}, errno.EPROTO)
    refused({"type": "resize", "winsize": {"rows": 0, "cols": 0}}, errno.EINVAL)
    refused({"type": "data"}, errno.EPROTO)
    refused({"type": "dance"}, errno.ENOSYS)
    assert h.rpc(topic, {"type": "detach"}).get() is None


@pytest.mark.system
def test_a_program_that_does_not_read(session):
    h, service = session
    topic = f"{service}.terminus.0"
    stream = attach(h, service)
    read(stream, b"ready")
    pid = h.rpc(f"{service}.terminus.list").get()["sessions"][0]["pid"]
    os.killpg(pid, signal.SIGSTOP)
    data = {"type": "data", "data": "x" * 1000 + "\n"}
    waiting = [h.rpc(topic, data) for _ in range(1100)]
    with pytest.raises(OSError, match="does not read its terminal"):
        waiting[-1].get()
    os.killpg(pid, signal.SIGCONT)
    waiting[1000].get()  # what was taken is passed on


@pytest.mark.system
def test_sessions_are_listed_and_killed(session):
    h, service = session
    (entry,) = h.rpc(f"{service}.terminus.list").get()["sessions"]
    assert (entry["id"], entry["name"], entry["clients"], entry["exited"]) == (0, "task0", 0, 0)
    with pytest.raises(OSError, match="no session 7"):
        h.rpc(f"{service}.terminus.kill", {"id": 7, "signal": 9}).get()
    request = {"id": 0, "signal": signal.SIGKILL, "wait": 1}
    ended = h.rpc(f"{service}.terminus.kill", request, flags=FLUX_RPC_STREAMING).get()
    assert (ended["type"], ended["status"]) == ("exit", signal.SIGKILL)


@pytest.mark.system
def test_a_terminal_beside_the_tasks(session):
    h, service = session
    request = {"name": "extra", "cmd": ["sh", "-c", "test -t 0 && echo $FLUX_TERMINUS_SESSION; exit 3"]}
    made = h.rpc(f"{service}.terminus.new", request).get()
    assert made == {"name": "extra", "pty_service": f"{service}.terminus.1", "id": 1}
    stream = h.rpc(made["pty_service"], {"type": "attach", "mode": "ro"}, flags=FLUX_RPC_STREAMING)
    read(stream, b"1\r\n")
    while (message := stream.get())["type"] != "exit":
        stream.reset()
    assert message["status"] == 3 << 8
    with pytest.raises(OSError, match="failed to run /no/such: No such file") as raised:
        h.rpc(f"{service}.terminus.new", {"cmd": ["/no/such"]}).get()
    assert raised.value.errno == errno.ENOENT
    with pytest.raises(OSError, match="failed to run sh: ") as raised:
        h.rpc(f"{service}.terminus.new", {"cmd": ["sh"], "environ": {"A": 1}}).get()
    assert raised.value.errno == errno.EPROTO
    assert [entry["id"] for entry in h.rpc(f"{service}.terminus.list").get()["sessions"]] == [0]
    assert h.rpc(f"{service}.terminus.kill-server").get() is None


def test_terminals_are_the_users_own(start, broker):
    job = start(["sh", "-c", "read x"], options={"pty": {"interactive": 1}})
    broker.wait(lambda: "shell.start" in broker.names("exec.eventlog"))
    owner = {"userid": os.getuid() + 1, "rolemask": 1}
    for tag, method in enumerate(("terminus.list", "terminus.0", "rexec.list"), 2):
        assert broker.request(method, {"type": "attach"}, matchtag=tag, **owner).errnum == errno.EPERM
    os.kill(job.pid, signal.SIGTERM)
    assert job.wait() == 143


def test_nothing_of_a_terminal_stays_for_the_next_job(run, broker):
    plain = ["sh", "-c", "tty; stty size; ls /proc/self/fd; env | grep TERMINUS; true"]

    def output(command, **kwargs):
        broker._text.clear()
        assert run(command, **kwargs) == 0
        return broker.output()

    before = output(plain)
    assert before.startswith(b"not a tty\n")
    assert output(["tty"], options={"pty": 1}).startswith(b"/dev/pts/")
    assert output(plain) == before
