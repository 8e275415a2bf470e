# SPDX-License-Identifier: LGPL-3.0-or-later
"""Processes that outlive the master of their zygote: real ones, and real kill -9."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.process import kept
from rosin.process.frames import encode
from rosin.process.keeping import Keeping, KeptChild
from rosin.process.platform import pidfd_open

pytestmark = pytest.mark.system

MASTER = """
import json, os, sys
from rosin.process import keeping
from rosin.process.zygote import Zygote
directory, seconds, uid = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
if uid:
    keeping.peer_uid = lambda sock: uid
zygote = Zygote.start([], grace=0.2)
zygote.keep(directory, seconds)
env = {"PATH": os.environ["PATH"]}
pids = []
for command in sys.argv[4:]:
    reader, writer = os.pipe()
    keep = {"name": command} if not command.startswith("exec sleep 1000") else None
    child = zygote.spawn(None, ["sh", "-c", command], env, fds={1: writer}, keep=keep, held={"out": reader})
    os.close(writer)
    pids.append(zygote.wait_started(child))
print(json.dumps([zygote.pid, *pids]), flush=True)
sys.stdin.readline()
zygote.close()
print("closed", flush=True)
"""


class Master:
    """Who has started processes."""

    def __init__(self, directory: Path, *commands: str, seconds: float = 1000.0, uid: int = 0) -> None:
        command = [sys.executable, "-c", MASTER, str(directory), str(seconds), str(uid), *commands]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout is not None
        self.zygote, *self.pids = json.loads(self.popen.stdout.readline())
        self.ends = {pid: pidfd_open(pid) for pid in (self.zygote, *self.pids)}

    def kill(self) -> None:
        self.popen.kill()
        self.popen.communicate()

    def wait_end(self, pid: int) -> None:
        """Wait until a process has ended."""
        end = self.ends[pid]
        if end is not None:
            select.select([end], [], [])

    def clear(self) -> None:
        if self.popen.poll() is None:
            self.kill()
        for fd in self.ends.values():
            if fd is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                os.close(fd)


@pytest.fixture
def master(tmp_path):
    made = []

    def make(*commands, **options):
        made.append(Master(tmp_path / "kept", *commands, **options))
        return made[-1]

    yield make
    for one in made:
        one.clear()


def take_over(path):
    faults = []
    found = kept.take_over(str(path / "kept"), faults.append)
    assert faults == []
    return found


def read_line(process):
    data = b""
    while not data.endswith(b"\n"):
        data += os.read(process.outputs["out"], 100)
    return data


def test_a_process_goes_on_when_its_master_is_killed(master, tmp_path):
    """What it writes meanwhile is there, it can be signalled, and its end is told; others end."""
    go = tmp_path / "go"
    os.mkfifo(go)
    first = master(f"read x <{go}; echo $x; exec sleep 999", "exec sleep 1000")
    kept_pid, other = first.pids
    first.kill()
    first.wait_end(other)
    go.write_text("late\n")
    (process,) = take_over(tmp_path)
    assert process.spawned.pid == kept_pid
    assert "read x" in process.keep["name"]
    assert read_line(process) == b"late\n"
    assert process.spawned.kill(signal.SIGUSR1)
    assert process.zygote.wait(process.spawned) == signal.SIGUSR1
    first.wait_end(first.zygote)  # nobody needs it any more
    assert take_over(tmp_path) == []


def test_an_end_that_nobody_has_seen_is_told_to_the_next_master(master, tmp_path):
    first = master("exit 5", "exec cat /dev/zero")
    first.wait_end(first.pids[0])
    first.kill()
    found = {process.spawned.pid: process for process in take_over(tmp_path)}
    ended, running = found[first.pids[0]].spawned, found[first.pids[1]].spawned
    assert os.waitstatus_to_exitcode(ended.status) == 5
    assert running.status is None
    running.kill(signal.SIGKILL)
    assert running._zygote.wait(running) == signal.SIGKILL


def test_it_is_kept_for_one_master_after_the_other(master, tmp_path):
    first = master("exec sleep 999")
    first.kill()
    for _ in range(2):
        (process,) = take_over(tmp_path)
        process.zygote._sock.close()  # as the kernel does for one that is killed
    (process,) = take_over(tmp_path)
    process.spawned.kill(signal.SIGTERM)
    assert process.zygote.wait(process.spawned) == signal.SIGTERM


def test_nothing_is_left_when_nobody_comes_in_time(master, tmp_path):
    first = master("exec sleep 999", seconds=0.1)
    first.kill()
    first.wait_end(first.pids[0])
    first.wait_end(first.zygote)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("again", [False, True])
def test_nothing_is_left_when_nobody_can_come(master, tmp_path, again):
    """The directory is removed, as a system does with those in /run; another of that name is another's."""
    first = master("exec sleep 999")
    (name,) = os.listdir(tmp_path / "kept")
    shutil.rmtree(tmp_path / "kept")
    if again:
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / name).touch()
    first.kill()
    first.wait_end(first.pids[0])
    first.wait_end(first.zygote)


def test_a_master_that_ends_in_good_order_leaves_what_runs(master, tmp_path):
    """And is not kept from its end."""
    first = master("exec sleep 999")
    assert first.popen.communicate("\n")[0] == "closed\n"
    (process,) = take_over(tmp_path)
    process.spawned.kill(signal.SIGTERM)
    assert process.zygote.wait(process.spawned) == signal.SIGTERM


def test_of_what_has_ended_nothing_is_kept_in_good_order(master, tmp_path):
    first = master("exit 3")
    first.wait_end(first.pids[0])
    assert first.popen.communicate("\n")[0] == "closed\n"
    first.wait_end(first.zygote)
    assert take_over(tmp_path) == []


def test_a_stranger_gets_nothing(master, tmp_path):
    first = master("exec sleep 999", uid=12345)
    first.kill()
    assert take_over(tmp_path) == []  # the connection is closed
    assert select.select([first.ends[first.pids[0]]], [], [], 0)[0] == []  # it runs


def test_only_its_owner_reaches_the_socket(master, tmp_path):
    first = master("exec sleep 999")
    directory = tmp_path / "kept"
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert (directory / str(first.zygote)).stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_can_write_to_is_not_used(tmp_path, capfd):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert Keeping.at(str(tmp_path / "open"), 1.0) is None
    assert "can be written by others" in capfd.readouterr().err
    faults = []
    assert kept.take_over(str(tmp_path / "open"), faults.append) == []
    assert "can be written by others" in faults[0]


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        (b"", None),
        (encode({"version": 2, "kept": 0}), "another version of Rosin (2, this one has 1)"),
        (encode({"kept": 0}), "version"),
        (encode({"version": 1, "kept": 1}), None),
        (encode({"version": 1, "kept": 1}) + encode({"id": 0, "pid": 1}), "status"),
        (b"\xff" * 9, "exceeds"),
        (b"\0\0\0\1\0x", "Expecting value"),
    ],
)
def test_what_is_no_zygote_is_told_of_or_forgotten(tmp_path, frames, fault):
    directory = tmp_path / "kept"
    directory.mkdir(0o700)
    pid = os.fork()
    if not pid:
        try:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{directory}/.1")
            listener.listen()
            os.rename(f"{directory}/.1", f"{directory}/1")
            sock, _ = listener.accept()
            sock.sendall(frames)
            sock.close()
        finally:
            os._exit(0)
    while not (directory / "1").exists():
        pass
    faults = []
    assert kept.take_over(str(directory), faults.append) == []
    os.waitpid(pid, 0)
    if fault is None:
        assert faults == []
        assert not (directory / "1").exists()
    else:
        assert fault in faults[0]


def test_a_socket_of_a_zygote_that_was_killed_is_removed(master, tmp_path):
    first = master("exec sleep 999")
    signal.pidfd_send_signal(first.ends[first.zygote], signal.SIGKILL)
    first.wait_end(first.zygote)
    assert take_over(tmp_path) == []
    assert list((tmp_path / "kept").iterdir()) == []


def test_the_outputs_of_a_few_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr("rosin.process.keeping.MAX_HELD", 1)
    keeping = Keeping(str(tmp_path / "kept"), 1.0)
    reader, writer = os.pipe()
    keeping.add(KeptChild(1, 11, {}, ["out"], [reader]))
    keeping.add(KeptChild(2, 12, {}, ["out"], [writer]))
    frames = keeping.account()
    assert [frame.get("held") for frame, _ in frames] == [None, ["out"], []]
    for _, fds in frames:
        for fd in fds:
            os.close(fd)
    keeping.close()
    for fd in (reader, writer):
        with pytest.raises(OSError):
            os.fstat(fd)


def test_ends_are_remembered_for_a_while(tmp_path, monkeypatch):
    keeping = Keeping(str(tmp_path / "kept"), 1.0)
    for number in (1, 2):
        keeping.add(KeptChild(number, 10 + number, {}, [], []))
    keeping.ended(1, 0)
    monkeypatch.setattr("rosin.process.keeping.MEMORY", -1.0)
    assert keeping.wanted  # the other one
    keeping.add(KeptChild(3, 13, {}, [], []))
    assert list(keeping.children) == [2, 3]
    keeping.ended(2, 0)
    keeping.ended(3, 0)
    assert not keeping.wanted
    keeping.close()
