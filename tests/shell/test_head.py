# SPDX-License-Identifier: LGPL-3.0-or-later
"""Leader and followers of a job with several shells, without processes."""

import errno
import os

import pytest

from rosin.constants import FLUX_ROLE_USER
from rosin.errors import FormatError
from rosin.rfc.message import Message
from rosin.shell.errors import ShellError
from rosin.shell.follower import LeaderLink
from rosin.shell.head import Follower, Leader
from rosin.shell.info import JobInfo
from rosin.shell.log import ShellLog
from rosin.shell.output import Limit, Output
from rosin.shell.service import ShellService


class FakeRPC:
    def __init__(self):
        self.callback = None

    def then(self, callback, *args):
        self.callback = lambda: callback(self, *args)
        return self

    def answer(self, value):
        self.value = value
        self.callback()  # type: ignore[misc]

    def get(self):
        if isinstance(self.value, OSError):
            raise self.value
        return self.value

    def reset(self):
        pass


class FakeTimer:
    cancelled = False

    def cancel(self):
        self.cancelled = True


class FakeHandle:
    def __init__(self):
        self.sent = []
        self.rpcs = []
        self.responses = []
        self.timers = []
        self.reactor = self

    def rpc(self, topic, payload=None, nodeid=None, flags=0):
        self.sent.append((topic, payload, nodeid))
        self.rpcs.append(FakeRPC())
        return self.rpcs[-1]

    def timer(self, after, callback):
        self.timers.append((after, callback, FakeTimer()))
        return self.timers[-1][2]

    def on_request(self, glob, callback, *, allow_guest=False):
        self.request = callback

    def respond(self, msg, payload=None):
        self.responses.append((msg.topic, 0, payload))

    def respond_error(self, msg, errnum, text=None):
        self.responses.append((msg.topic, errnum, text))


class FakeGuest:
    def __init__(self):
        self.entries = []
        self.backlog = 0
        self.on_progress = None

    def append(self, key, name, context=None, lazy=False):
        self.entries.append((key, name, context))


def make_info(rank, **options):
    slot = {"type": "slot", "count": 2, "label": "t", "with": [{"type": "core", "count": 1}]}
    spec = {
        "version": 1,
        "resources": [slot],
        "tasks": [{"command": ["prog"], "slot": "t", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, "shell": {"options": options}}},
    }
    lite = [{"rank": "3,7", "children": {"core": "0"}}]
    R = {"version": 1, "execution": {"R_lite": lite, "nslots": 2, "nodelist": ["n[3,7]"]}}
    return JobInfo(1234, spec, R, rank)


@pytest.fixture
def handle():
    return FakeHandle()


class LeaderSetup:
    def __init__(self, handle, **options):
        self.handle = handle
        self.guest = FakeGuest()
        info, log = make_info(3, **options), ShellLog()
        self.service = ShellService(handle, "svc")
        self.leader = Leader(handle, info, log, [], self.guest, self.service)
        limit = Limit(1 << 20, "1M", log)
        self.leader.output = Output(info.options, log, self.leader.emit, limit, 2)
        self.released = []
        self.paused = []
        self.leader.on_released = lambda: self.released.append(True)
        self.leader.on_pause = self.paused.append

    def request(self, method, payload):
        msg = Message.request(f"svc.{method}", payload, matchtag=1)
        msg.rolemask, msg.userid = FLUX_ROLE_USER, os.getuid()
        self.handle.request(msg)


@pytest.fixture
def setup(handle):
    return LeaderSetup(handle)


def test_output_of_a_follower_is_recorded(setup):
    context = {"stream": "stdout", "rank": "1", "data": "x\n"}
    setup.request("write", {"name": "data", "shell_rank": 1, "context": context})
    assert setup.guest.entries == [("output", "data", context)]
    assert setup.handle.responses == []


def test_credit_waits_for_the_log(setup):
    setup.request("write-getcredit", {"credits": 5})
    assert setup.handle.responses == [("svc.write-getcredit", 0, {"credits": 5})]
    setup.guest.backlog = 1 << 30
    setup.request("write-getcredit", {"credits": 6})
    assert len(setup.handle.responses) == 1
    setup.guest.backlog = 0
    setup.guest.on_progress()
    assert setup.handle.responses[1] == ("svc.write-getcredit", 0, {"credits": 6})


def test_tasks_wait_for_the_log(setup):
    setup.guest.backlog = 1 << 30
    setup.leader.check_backlog()
    setup.guest.backlog = 0
    setup.guest.on_progress()
    assert setup.paused == [True, False]


def exit_info(rank, status):
    return {"localid": 0, "rank": rank, "state": "Exited", "pid": 1, "wait_status": status}


def test_only_the_first_exit_is_recorded(setup):
    setup.request("doom", exit_info(1, 256))
    setup.leader.task_exit(exit_info(0, 0))
    assert setup.guest.entries == [("exec.eventlog", "shell.task-exit", exit_info(1, 256))]
    ((after, expired, timer),) = setup.handle.timers
    assert after == 30.0
    with pytest.raises(
        ShellError, match=r"prog: task rank 1 on host n7 exited \(Exit 1\) and exit-timeout=30s"
    ):
        expired()
    setup.leader.shell_complete(0)
    assert not setup.released
    setup.request("tasks-complete", {"shell_rank": 1})
    assert setup.released
    assert timer.cancelled


def test_exit_on_error_of_a_follower(handle):
    setup = LeaderSetup(handle, **{"exit-on-error": 1})
    with pytest.raises(ShellError, match="exit-on-error") as caught:
        setup.request("doom", exit_info(1, 11))
    assert (caught.value.code, caught.value.wait_status) == (139, 11)


def test_a_lost_shell_is_not_waited_for(setup):
    setup.leader.shell_complete(0)
    setup.request("exception", {"type": "lost-shell", "severity": 2, "shell_rank": 1})
    assert setup.released
    assert setup.handle.responses == [("svc.exception", 0, None)]


@pytest.mark.parametrize(
    ("method", "payload"),
    [("write", {"name": 1}), ("doom", {}), ("tasks-complete", []), ("write-getcredit", {"credits": "x"})],
)
def test_bad_requests(setup, method, payload):
    setup.request(method, payload)
    assert setup.handle.responses[0][:2] == (f"svc.{method}", errno.EPROTO)


def test_keys_are_exchanged_when_all_are_in(setup):
    done = []
    setup.request("pmi-exchange", {"dict": {"b": "2"}})
    assert setup.handle.responses == []
    setup.leader.exchange({"a": "1"}, done.append)
    everything = {"a": "1", "b": "2"}
    assert setup.handle.responses == [("svc.pmi-exchange", 0, {"dict": everything})]
    assert done == [everything]


def test_a_follower_reports_to_the_leader(handle):
    follower = Follower(handle, make_info(7), ShellLog(), [], ShellService(handle, "svc"))
    released = []
    follower.on_released = lambda: released.append(True)
    follower.task_exit(exit_info(1, 0))
    follower.task_exit(exit_info(1, 0))
    follower.shell_complete(1)
    assert handle.sent == [
        ("svc.doom", exit_info(1, 0), 3),
        ("svc.tasks-complete", {"shell_rank": 1}, 3),
    ]
    assert released


def test_a_follower_reads_input_from_the_log(handle):
    follower = Follower(handle, make_info(7), ShellLog(), [], ShellService(handle, "svc"))
    follower.announce()
    assert handle.sent == [("job-info.eventlog-watch", {"id": 1234, "path": "guest.input", "flags": 0}, None)]
    handle.rpcs[0].answer({"event": '{"timestamp":1.0,"name":"header","context":{}}\n'})
    handle.rpcs[0].answer(OSError(errno.ENODATA, "end"))
    with pytest.raises(ShellError, match="no more"):
        handle.rpcs[0].answer(OSError(errno.EIO, "no more"))
    with pytest.raises(ShellError, match="malformed"):
        handle.rpcs[0].answer({"event": "x"})


def test_credits_stop_and_restart_a_follower(handle):
    link = LeaderLink(handle, "svc", 3, 1)
    paused = []
    link.on_pause = paused.append
    for _ in range(1000):
        link.write("data", {})
    asked = [number for number, (topic, _, _) in enumerate(handle.sent) if topic == "svc.write-getcredit"]
    assert len(asked) == 1
    assert paused == [True]
    handle.rpcs[asked[0]].answer({"credits": 1000})
    assert paused == [True, False]


def test_limits_also_hold_for_followers(setup):
    setup.leader.output = Output(
        setup.leader.info.options, setup.leader.log, setup.leader.emit, Limit(3, "3", setup.leader.log), 2
    )
    setup.leader.log.sink = lambda context: None
    for data in ("ab", "cd"):
        context = {"stream": "stdout", "rank": "1", "data": data}
        setup.request("write", {"name": "data", "shell_rank": 1, "context": context})
    assert [entry[2]["data"] for entry in setup.guest.entries] == ["ab"]
    with pytest.raises(FormatError):
        setup.leader.output.remote("data", {"stream": "stdout"})
