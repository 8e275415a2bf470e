# SPDX-License-Identifier: LGPL-3.0-or-later
"""The zygote: real forks, real kill -9."""

import asyncio
import errno
import os
import select
import signal
import subprocess
import sys

import pytest

from rosin.process.platform import descendants
from rosin.process.zygote import Zygote

pytestmark = pytest.mark.system

ENV = {"PATH": os.environ["PATH"]}

PROGRAM = '''
import os, signal, subprocess, sys

def report(argv, env):
    print(argv, env.get("COLOUR"), os.environ.get("COLOUR"), os.getcwd(), "json" in sys.modules, flush=True)
    return 7

def leave_a_child(argv, env):
    """Start a process that ignores SIGTERM, in a session of its own, say its pid, and end."""
    child = subprocess.Popen(
        [sys.executable, "-c",
         "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"
         "time.sleep(1000)"],
        start_new_session=True, stdout=subprocess.PIPE)
    child.stdout.readline()
    print(child.pid, flush=True)
    if "stay" in argv:
        child.wait()
    return 0

def raises(argv, env):
    raise RuntimeError("on purpose")

def interrupted(argv, env):
    os.write(1, b"up")
    os.read(0, 1)

def sys_exit(argv, env):
    sys.exit(5)

def late_signal(argv, env):
    """A signal comes when the result already stands."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)
    return 127

def waits_for_a_signal(argv, env):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    print(os.getpid(), flush=True)
    signal.sigwait([signal.SIGTERM])
    return 3

def who(argv, env):
    print(os.getpid(), flush=True)
'''

MASTER = """
import sys
from rosin.process.zygote import Zygote
zygote = Zygote.start(["zygote_program"], grace=0.2)
child = zygote.spawn("zygote_program:leave_a_child", ["x", "stay"], {"PATH": sys.argv[1]})
print(zygote.pid, zygote.wait_started(child), flush=True)
zygote.wait(child)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    (tmp_path / "zygote_program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


@pytest.fixture(params=[True, False], ids=["fork", "exec"])
def zygote(program, request):
    server = Zygote.start(["json", "zygote_program"], fork=request.param, grace=0.2)
    yield server
    server.close()


class Ended:
    """Tells when a process has ended, which is not a child of this one."""

    def __init__(self, pid):
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd, writer = os.pipe()
            os.close(writer)

    def poll(self, milliseconds):
        """Wait for it; once."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        try:
            return poller.poll(milliseconds)
        finally:
            os.close(self._fd)


def test_a_target_gets_its_arguments_environment_directory_and_descriptors(zygote, tmp_path):
    reader, writer = os.pipe()
    env = ENV | {"COLOUR": "blue"}
    child = zygote.spawn("zygote_program:report", ["a", "b"], env, cwd=str(tmp_path), fds={1: writer})
    os.close(writer)
    assert os.waitstatus_to_exitcode(zygote.wait(child)) == 7
    with os.fdopen(reader) as stream:
        assert stream.read() == f"['a', 'b'] blue blue {tmp_path} True\n"


def test_a_command_is_executed_with_overlapping_descriptor_numbers(zygote):
    reader, writer = os.pipe()
    source, feeder = os.pipe()
    os.write(feeder, b"in\n")
    os.close(feeder)
    crowd = {0: source, 1: writer} | dict.fromkeys(range(3, 10), writer)
    child = zygote.spawn(
        None, ["sh", "-c", "cat; for i in 3 4 5 6 7 8 9; do echo $i >&$i; done"], ENV, fds=crowd
    )
    os.close(writer)
    os.close(source)
    assert zygote.wait(child) == 0
    assert os.read(reader, 100) == b"in\n3\n4\n5\n6\n7\n8\n9\n"
    os.close(reader)


def test_exit_codes(zygote):
    reader, writer = os.pipe()
    code = {}
    for target in ("raises", "sys_exit", "no_such_function"):
        child = zygote.spawn(f"zygote_program:{target}", ["x"], ENV, fds={2: writer})
        code[target] = os.waitstatus_to_exitcode(zygote.wait(child))
    missing = zygote.spawn(None, ["no-such-program"], ENV, fds={2: writer})
    denied = zygote.spawn(None, ["/etc/passwd"], ENV, fds={2: writer})
    code["missing"] = os.waitstatus_to_exitcode(zygote.wait(missing))
    code["denied"] = os.waitstatus_to_exitcode(zygote.wait(denied))
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    assert "RuntimeError: on purpose" in text
    assert "no-such-program: No such file or directory" in text
    assert code == {"raises": 1, "sys_exit": 5, "no_such_function": 1, "missing": 127, "denied": 126}


@pytest.mark.parametrize("reuse", [False, True])
def test_a_late_signal_does_not_change_the_exit_code(zygote, reuse):
    fds = dict.fromkeys((0, 1, 2), 2)
    for _ in range(3):
        child = zygote.spawn("zygote_program:late_signal", ["x"], ENV, fds=fds, reuse=reuse)
        assert os.waitstatus_to_exitcode(zygote.wait(child)) == 127


def test_what_was_signalled_does_not_serve_again(zygote):
    reader, writer = os.pipe()
    fds = {0: 0, 1: writer, 2: 2}
    with os.fdopen(reader) as stream:
        first = zygote.spawn("zygote_program:who", ["x"], ENV, fds=fds, reuse=True)
        assert zygote.wait(first) == 0
        waiting = zygote.spawn("zygote_program:waits_for_a_signal", ["x"], ENV, fds=fds, reuse=True)
        served = stream.readline(), stream.readline()
        assert served[0] == served[1]
        zygote.wait_started(waiting)
        assert waiting.kill(signal.SIGTERM)
        assert os.waitstatus_to_exitcode(zygote.wait(waiting)) == 3
        other = zygote.spawn("zygote_program:who", ["x"], ENV, fds=fds, reuse=True)
        assert zygote.wait(other) == 0
        assert stream.readline() not in served
    os.close(writer)


def test_signals_reach_the_group_and_not_what_has_ended(zygote):
    reader, writer = os.pipe()
    child = zygote.spawn(None, ["sh", "-c", "sleep 1000 & echo up; wait"], ENV, fds={1: writer})
    os.close(writer)
    assert os.read(reader, 10) == b"up\n"
    assert os.getpgid(zygote.wait_started(child)) == child.pid
    assert child.kill(signal.SIGINT)
    assert os.WTERMSIG(zygote.wait(child)) == signal.SIGINT
    assert not child.kill(signal.SIGINT)
    os.close(reader)


def test_an_interrupted_function_says_nothing(zygote):
    ours, theirs = os.pipe()
    quiet, pipe = os.pipe()
    child = zygote.spawn("zygote_program:interrupted", ["x"], ENV, fds={0: quiet, 1: theirs, 2: theirs})
    os.close(theirs)
    assert os.read(ours, 2) == b"up"
    zygote.wait_started(child)
    assert child.kill(signal.SIGINT)
    assert os.waitstatus_to_exitcode(zygote.wait(child)) == 128 + signal.SIGINT
    assert os.read(ours, 1000) == b""
    for fd in (ours, quiet, pipe):
        os.close(fd)


def test_a_large_request_and_many_at_once(zygote):
    big = {f"V{i}": "x" * 1000 for i in range(1000)}
    children = [zygote.spawn("zygote_program:sys_exit", ["x"], ENV | big) for _ in range(10)]
    assert [os.waitstatus_to_exitcode(zygote.wait(child)) for child in children] == [5] * 10


async def test_an_event_loop_drives_it(zygote):
    loop = asyncio.get_running_loop()
    zygote.attach(loop)
    started, ended = loop.create_future(), loop.create_future()
    child = zygote.spawn(
        "zygote_program:sys_exit", ["x"], ENV, on_start=started.set_result, on_exit=ended.set_result
    )
    assert (await started) is child
    assert child.pid is not None
    assert os.waitstatus_to_exitcode((await ended).status) == 5
    zygote.detach()


def test_what_a_dead_child_leaves_behind_is_ended(zygote):
    reader, writer = os.pipe()
    child = zygote.spawn("zygote_program:leave_a_child", ["x"], ENV, fds={1: writer})
    os.close(writer)
    stray = int(os.read(reader, 20))
    gone = Ended(stray)
    assert zygote.wait(child) == 0
    assert gone.poll(30000)
    os.close(reader)


def test_what_a_killed_child_leaves_behind_is_ended(zygote):
    reader, writer = os.pipe()
    child = zygote.spawn("zygote_program:leave_a_child", ["x", "stay"], ENV, fds={1: writer})
    os.close(writer)
    gone = Ended(int(os.read(reader, 20)))
    os.kill(zygote.wait_started(child), signal.SIGKILL)
    assert os.WTERMSIG(zygote.wait(child)) == signal.SIGKILL
    assert gone.poll(30000)
    os.close(reader)


def test_nothing_survives_a_killed_master(program):
    master = subprocess.Popen([sys.executable, "-c", MASTER, ENV["PATH"]], stdout=subprocess.PIPE, text=True)
    zygote_pid, child_pid = map(int, master.stdout.readline().split())
    stray = int(master.stdout.readline())
    assert {child_pid, stray} <= set(descendants(zygote_pid))
    ends = [Ended(pid) for pid in (zygote_pid, child_pid, stray)]
    master.kill()
    master.wait()
    for end in ends:
        assert end.poll(30000)
    master.stdout.close()


def test_a_dead_zygote_is_noticed(program):
    zygote = Zygote.start(["zygote_program"])
    ended = []
    child = zygote.spawn(None, ["sleep", "1000"], ENV, on_exit=ended.append)
    zygote.wait_started(child)
    os.kill(zygote.pid, signal.SIGKILL)
    with pytest.raises(BrokenPipeError, match="zygote"):
        zygote.wait(child)
    assert ended == [child]
    assert not zygote.alive
    with pytest.raises(BrokenPipeError):
        zygote.spawn(None, ["true"], ENV)
    assert Ended(child.pid).poll(30000)  # its parent-death signal
    zygote.close()


async def test_a_killed_zygote_is_replaced_and_guards_what_it_guarded(zygote):
    """A loop drives it: who waits is told, later requests are served, and what was guarded still is."""
    lost, ended = asyncio.Queue(), asyncio.Queue()
    zygote.on_lost = lost.put_nowait
    zygote.attach(asyncio.get_running_loop())
    guarded = subprocess.Popen(["sleep", "1000"])
    zygote.guard(guarded.pid)
    child = zygote.spawn(None, ["sleep", "1000"], ENV, on_exit=ended.put_nowait)
    before = zygote.pid
    os.kill(before, signal.SIGKILL)
    assert "is replaced" in await lost.get()
    assert await ended.get() is child
    assert child.error.errno == errno.EPIPE
    assert zygote.alive
    assert zygote.pid != before
    again = zygote.spawn(None, ["sh", "-c", "exit 3"], ENV, on_exit=ended.put_nowait)
    assert await ended.get() is again
    assert os.waitstatus_to_exitcode(again.status) == 3
    zygote.close()
    assert guarded.wait(30) == -signal.SIGTERM


async def test_a_zygote_that_keeps_dying_is_given_up(zygote):
    lost = asyncio.Queue()
    zygote.on_lost = lost.put_nowait
    zygote.attach(asyncio.get_running_loop())
    text = "is replaced"
    while "is replaced" in text:
        os.kill(zygote.pid, signal.SIGKILL)
        text = await lost.get()
    assert "too often" in text
    assert not zygote.alive


MESSY = """
import os, resource, signal, sys

def mess(argv, env):
    print(os.getpid(), os.getcwd(), env["COLOUR"], os.umask(0o27), len(os.sched_getaffinity(0)),
          resource.getrlimit(resource.RLIMIT_CORE)[0], signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
          len(os.listdir("/proc/self/fd")), os.path.realpath("/proc/self/fd/0"), flush=True)
    os.chdir("/usr")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    os.environ["LEFT"] = "over"
    os.open("/dev/zero", os.O_RDONLY)
    if "stubborn" in argv:
        signal.pause()
    if "parent" in argv and os.fork() == 0:
        signal.pause()
    if "huge" in argv:
        bytes(range(256)) * (1 << 18)
    return 300 if "large" in argv else 3
"""


@pytest.fixture
def messy(zygote, program, monkeypatch):
    """``messy(*words)`` runs the program above in a process that may serve again: (status, its words)."""
    (program / "zygote_messy.py").write_text(MESSY)
    devnull = os.open(os.devnull, os.O_RDWR)

    def run(*words, colour="red"):
        reader, writer = os.pipe()
        fds = {0: devnull, 1: writer, 2: writer}
        env = ENV | {"COLOUR": colour, "PYTHONPATH": str(program)}
        child = zygote.spawn("zygote_messy:mess", ["x", *words], env, fds=fds, reuse=True)
        os.close(writer)
        with os.fdopen(reader) as stream:
            text = stream.read()
        return zygote.wait(child), text.split()

    yield run
    os.close(devnull)


def test_a_process_serves_again_as_if_it_were_new(messy):
    status, first = messy()
    assert status == 3 << 8
    status, second = messy("large", colour="green")
    assert status == (300 & 0xFF) << 8
    # A forked zygote has what this process has open, with which no process serves a second time.
    assert int(second[7]) <= int(first[7])
    assert second == [*first[:2], "green", *first[3:7], second[7], *first[8:]]


def test_a_process_with_children_does_not_serve_again(messy):
    status, first = messy("parent")
    assert status == 3 << 8
    assert messy()[1][0] != first[0]


def test_what_serves_again_is_not_reached_by_signals_for_what_it_served(zygote, messy, program):
    _, first = messy()
    fds = dict.fromkeys(range(3), os.open(os.devnull, os.O_RDWR))
    env = ENV | {"COLOUR": "blue", "PYTHONPATH": str(program)}
    second = zygote.spawn("zygote_messy:mess", ["x", "stubborn"], env, fds=fds, reuse=True)
    assert zygote.wait_started(second) == int(first[0])
    second.kill(signal.SIGKILL)
    assert zygote.wait(second) == signal.SIGKILL
    os.close(fds[0])
    assert messy()[1][0] != first[0]


def test_waiting_processes_end_with_the_zygote(zygote, messy):
    end = Ended(int(messy()[1][0]))
    zygote.close()
    assert end.poll(30000)


def test_a_process_that_has_grown_does_not_serve_again(messy):
    first = messy("huge")[1][0]
    assert messy()[1][0] != first
