# SPDX-License-Identifier: LGPL-3.0-or-later
"""The execution of a job as a state machine: shells, kill sequence, lost shells, barrier."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.modules.job_exec import actions
from rosin.modules.job_exec.allocation import JobNodes
from rosin.modules.job_exec.barrier import ShellBarrier
from rosin.modules.job_exec.job import ExecJob
from rosin.modules.job_exec.settings import ExecSettings
from rosin.modules.job_exec.shells import ShellExec
from rosin.rfc import fluid
from rosin.rfc.exec_protocol import StartRequest
from rosin.rfc.idset import Idset

from .conftest import JOBID, start_request

NOW = 1000.0


class Machine:
    """A job with shells on ``ranks``, and what it has asked for so far."""

    def __init__(self, ranks: str = "0", uid: int | None = None, **settings: Any) -> None:
        nodes = {"nodelist": ["node[0-15]"], "starttime": 0.0, "expiration": 0.0}
        system = settings.pop("system", {})
        request = StartRequest.decode(start_request(ranks=ranks, execution=nodes, system=system))
        table = {key.replace("_", "-"): value for key, value in settings.items()}
        uid = os.getuid() if uid is None else uid
        self.job = ExecJob(request, JobNodes(request.R), ExecSettings.parse({"exec": table}), uid)
        self.shells = ShellExec(self.job)
        self.done: list[Any] = []

    def begin(self) -> Machine:
        self.job.begin(self.shells)
        self.job.namespace_ready(NOW)
        return self

    def start(self, *ranks: int) -> Machine:
        for rank in ranks or tuple(self.job.allocation.ranks):
            self.shells.shell_started(rank, 100 + rank, NOW)
        self.take()
        return self

    def take(self) -> list[Any]:
        taken: list[Any] = list(self.job.take())
        self.done += taken
        return taken

    def responses(self) -> list[tuple[str, dict[str, Any]]]:
        self.take()
        return [(a.type, a.data) for a in self.done if isinstance(a, actions.Respond)]

    def posts(self) -> list[tuple[str, Any]]:
        self.take()
        return [(a.name, a.context) for a in self.done if isinstance(a, actions.Post)]

    def notes(self) -> list[str]:
        return [data["note"] for kind, data in self.responses() if kind == "exception"]


def of(kind: type, taken: list[Any]) -> list[Any]:
    return [action for action in taken if isinstance(action, kind)]


def test_one_shell() -> None:
    m = Machine().begin()
    assert of(actions.Launch, m.take()) == [actions.Launch()]
    assert m.responses() == []
    m.start()
    m.shells.shell_exited(0, 768)
    assert m.responses() == [("start", {}), ("finish", {"status": 768})]
    assert m.posts() == [
        ("init", None),
        ("starting", None),
        ("shell-exit", {"rank": 0, "wait_status": 768}),
        ("complete", {"status": 768}),
        ("done", None),
    ]
    m.job.moved()
    assert m.responses()[-1] == ("release", {"ranks": "all", "final": True})
    assert isinstance(m.done[-1], actions.Forget)


def test_program_of_the_shell_is_missing() -> None:
    m = Machine().begin()
    m.shells.shell_failed(0, errno.ENOENT, "error launching process: No such file or directory")
    assert m.notes() == [
        "job shell exec error on broker node0 (rank 0): error launching process: No such file or directory"
    ]
    assert [name for name, _ in m.posts()] == ["init", "starting", "shell-exit", "complete", "done"]
    assert m.posts()[2][1] == {"rank": 0, "wait_status": -1}
    assert m.responses()[-1] == ("finish", {"status": 127 << 8})


@pytest.mark.parametrize(
    ("number", "note", "status"),
    [
        (errno.EACCES, "job shell exec error on broker node0 (rank 0): x", 126 << 8),
        (errno.EPERM, "job shell exec error on broker node0 (rank 0): x", 126 << 8),
        (errno.ENOMEM, "job shell exec error on broker node0 (rank 0): x", 1 << 8),
        (errno.ENOSYS, "rexec service is not loaded on node0 (rank 0)", 1 << 8),
        (errno.EHOSTUNREACH, "node failure on node0 (rank 0)", 1 << 8),
    ],
)
def test_failures_to_start(number: int, note: str, status: int) -> None:
    m = Machine().begin()
    m.shells.shell_failed(0, number, "x")
    assert m.notes() == [note]
    assert m.responses()[-1] == ("finish", {"status": status})


def test_multi_user_needs_the_imp() -> None:
    m = Machine(uid=4711)
    m.job.begin(m.shells)
    assert m.notes() == ["multi-user job but no IMP is configured (set exec.imp)"]
    assert [name for name, _ in m.posts()] == ["init", "done"]


def test_kill_sequence() -> None:
    m = Machine().begin().start()
    m.job.exception("cancel", 0)
    taken = m.take()
    assert of(actions.Signal, taken) == [actions.Signal(0, 100, signal.SIGTERM)]
    assert of(actions.Arm, taken) == [actions.Arm("kill", 5.0), actions.Arm("kill-shell", 25.0)]
    m.job.timer("kill", NOW + 5)
    assert m.take() == [actions.SignalTasks(signal.SIGKILL), actions.Arm("kill", 5.0)]
    pauses = []
    for count in range(8):
        m.job.timer("kill-shell", NOW)
        taken = m.take()
        assert of(actions.Signal, taken) == [actions.Signal(0, 100, signal.SIGKILL)]
        pauses += [arm.seconds for arm in of(actions.Arm, taken) if arm.timer == "kill-shell"]
        assert m.job.finalizing == (count == 7)
    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    drained = of(actions.DrainRanks, taken)
    name = fluid.encode(JOBID, "f58")
    assert drained == [actions.DrainRanks(Idset("0"), f"unkillable user processes for job {name}")]
    assert m.responses()[-1] == ("finish", {"status": 1})


def test_max_kill_timeout_replaces_the_count() -> None:
    m = Machine(max_kill_timeout="1m", kill_timeout="1s", kill_signal="INT").begin().start()
    m.job.exception("cancel", 0)
    assert actions.Arm("max-kill", 60.0) in m.take()
    for _ in range(20):
        m.job.timer("kill-shell", NOW)
    assert of(actions.Signal, m.take())[-1].signum == signal.SIGINT
    assert not m.job.finalizing
    m.job.timer("max-kill", NOW)
    assert m.job.finalizing


@pytest.mark.rfc(21, "finish-status")
def test_the_largest_wait_status_is_that_of_the_job() -> None:
    m = Machine("0-2").begin().start()
    for rank, status in ((2, 256), (1, 768), (0, 0)):
        m.shells.shell_exited(rank, status)
    assert m.responses()[-1] == ("finish", {"status": 768})


@pytest.mark.rfc(21, "finish-override")
def test_a_second_exception_sends_the_signal_again_and_is_not_the_cause() -> None:
    m = Machine(term_signal="SIGUSR2").begin().start()
    m.job.exception("exec", 0, wait_status=11)
    m.job.exception("cancel", 0, wait_status=256)
    assert [a.signum for a in of(actions.Signal, m.take())] == [signal.SIGUSR2] * 2
    m.shells.shell_exited(0, 143 << 8)
    assert m.responses()[-1] == ("finish", {"status": 139 << 8})


def test_signal_before_the_shell_has_started() -> None:
    m = Machine("0-1").begin()
    m.take()
    m.job.exception("cancel", 0)
    assert of(actions.Signal, m.take()) == []
    m.shells.shell_started(0, 100, NOW)
    m.shells.shell_started(1, 101, NOW)
    assert of(actions.Signal, m.take()) == [
        actions.Signal(0, 100, signal.SIGTERM),
        actions.Signal(1, 101, signal.SIGTERM),
    ]


def test_time_limit_sends_sigalrm() -> None:
    m = Machine().begin().start()
    m.job.update_expiration(NOW + 10, NOW)
    assert of(actions.Arm, m.take()) == [actions.Arm("expire", 10.0)]
    m.job.timer("expire", NOW + 10)
    assert [a.signum for a in of(actions.Signal, m.take())] == [signal.SIGALRM]
    assert m.notes() == ["resource allocation expired"]
    m.shells.shell_exited(0, 142 << 8)
    assert m.responses()[-1] == ("finish", {"status": 36352})


def test_leader_gone_while_others_run() -> None:
    m = Machine("0-3").begin().start()
    for rank in range(4):
        m.shells.enter_barrier(rank, rank)
    m.take()
    m.shells.shell_exited(0, 0)
    m.shells.timer("ends", NOW)
    assert ("shell-exit", {"rank": 0, "wait_status": 0, "active_ranks": "1-3"}) in m.posts()
    assert actions.Arm("shell-exit", 30.0) in m.done
    m.job.timer("shell-exit", NOW + 30)
    assert m.notes() == ["job shells still active on node[1-3] (ranks 1-3) 30s after leader shell exit"]


def test_a_shell_ends_before_the_first_barrier() -> None:
    m = Machine("0-2").begin().start()
    m.shells.enter_barrier(1, "one")
    m.shells.shell_exited(2, 256)
    m.shells.timer("ends", NOW)
    assert m.notes() == ["node2 (rank 2) terminated before first barrier"]
    assert actions.Release("one", errno.EIO) in m.done
    m.shells.enter_barrier(0, "zero")
    assert m.take()[-1] == actions.Release("zero", errno.EIO)


def through_barrier(m: Machine) -> Machine:
    for rank in m.job.allocation.ranks:
        m.shells.enter_barrier(rank, rank)
    m.take()
    return m


def test_lost_shell_that_is_not_critical() -> None:
    m = through_barrier(Machine("0-3").begin().start())
    m.job.critical_ranks = Idset("0")
    m.shells.shell_failed(2, errno.EHOSTUNREACH, "x")
    assert m.responses()[-1] == (
        "exception",
        {"severity": 2, "type": "node-failure", "note": "node failure on node2 (shell rank 2)"},
    )
    told = of(actions.TellLeader, m.done)
    assert told[0].payload == {"type": "lost-shell", "severity": 2, "shell_rank": 2, "message": ""}
    assert not m.job.exception_in_progress
    for rank in (0, 1, 3):
        m.shells.shell_exited(rank, 0)
    assert m.responses()[-1] == ("finish", {"status": 0})


def test_lost_shell_that_is_critical() -> None:
    m = through_barrier(Machine("4-5").begin().start())
    m.shells.shell_failed(5, errno.EHOSTUNREACH, "x")
    assert m.notes() == ["node failure on node1 (rank 5)"]
    assert of(actions.TellLeader, m.done)[0].payload == {
        "type": "lost-shell",
        "severity": 0,
        "shell_rank": 1,
        "message": "node failure on node1 (shell rank 1)",
    }


def test_shells_that_die_by_signal() -> None:
    m = through_barrier(Machine("0-1").begin().start())
    m.shells.shell_exited(1, signal.SIGSEGV)
    m.shells.timer("ends", NOW)
    assert (
        "shell rank 1 (on node1): Segmentation fault"
        in of(actions.TellLeader, m.take())[0].payload["message"]
    )
    m = through_barrier(Machine("0-1").begin().start())
    m.shells.shell_exited(0, signal.SIGKILL)
    m.shells.timer("ends", NOW)
    assert m.notes() == ["shell rank 0 (on node0): Killed"]


def test_barrier_timeout() -> None:
    m = Machine("0-3", barrier_timeout="10s").begin().start()
    m.shells.enter_barrier(1, "x")
    assert m.take() == [actions.Arm("barrier", 10.0)]
    m.job.timer("barrier", NOW + 10)
    drain = of(actions.DrainRanks, m.take())[0]
    assert drain.ranks.encode() == "0,2-3"
    assert drain.reason.endswith("start timeout: possible node hang")
    assert m.notes() == ["start barrier timeout waiting for 3/4 nodes (ranks 0,2-3)"]


def test_only_the_first_barrier_is_timed() -> None:
    m = Machine("0-1").begin().start()
    m.shells.enter_barrier(0, "a")
    m.shells.enter_barrier(1, "b")
    m.shells.enter_barrier(0, "c")
    assert m.take() == [
        actions.Arm("barrier", 1800.0),
        actions.Release("a", 0),
        actions.Release("b", 0),
        actions.Disarm("barrier"),
    ]


def test_barrier_refuses_strangers_and_doubles() -> None:
    barrier = ShellBarrier(Idset("1-2"))
    assert barrier.enter(0, "x") == [actions.Release("x", errno.EINVAL, "rank 0 is not pending in barrier")]
    assert barrier.enter(1, "y") == []
    assert barrier.enter(1, "z")[0].errnum == errno.EINVAL
    assert barrier.enter(-1, "z")[0].errnum == errno.EINVAL
    assert barrier.enter(2, "w") == [actions.Release("y", 0), actions.Release("w", 0)]


def test_shell_output_is_logged() -> None:
    m = Machine().begin().start()
    m.shells.shell_output(0, "sh", "stderr", "oops\n")
    assert m.posts()[-1] == ("log", {"component": "sh", "stream": "stderr", "rank": "0", "data": "oops\n"})


def test_long_notes_are_cut() -> None:
    m = Machine().begin()
    m.shells.shell_failed(0, errno.ENOMEM, "x" * 1000)
    assert len(m.notes()[0]) == 255


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("started"), st.integers(0, 2)),
        st.tuples(st.just("exited"), st.integers(0, 2)),
        st.tuples(st.just("failed"), st.integers(0, 2)),
        st.tuples(st.just("exception"), st.integers(0, 1)),
        st.tuples(st.just("barrier"), st.integers(0, 2)),
        st.tuples(
            st.just("timer"),
            st.sampled_from(["expire", "kill", "kill-shell", "max-kill", "barrier", "shell-exit"]),
        ),
    ),
    max_size=40,
)


@given(EVENTS, st.booleans())
def test_any_order_of_events_ends_in_one_release(events: list[tuple[str, Any]], early: bool) -> None:
    """Whatever happens, when: one start at most, one finish at most, one final release as the last word."""
    m = Machine("0-2")
    m.job.begin(m.shells)
    if early:
        m.job.exception("cancel", 0)
    m.job.namespace_ready(NOW)
    launched = any(isinstance(a, actions.Launch) for a in m.take())
    state = dict.fromkeys(range(3), "new")
    for kind, value in events if launched else []:
        if kind == "started" and state[value] == "new":
            state[value] = "run"
            m.shells.shell_started(value, 100 + value, NOW)
        elif kind == "exited" and state[value] == "run":
            state[value] = "end"
            m.shells.shell_exited(value, value)
        elif kind == "failed" and state[value] != "end":
            state[value] = "end"
            m.shells.shell_failed(value, errno.EHOSTUNREACH, "x")
        elif kind == "exception":
            m.job.exception("cancel", value)
        elif kind == "barrier":
            m.shells.enter_barrier(value, value)
        elif kind == "timer":
            m.job.timer(value, NOW)
    if launched:
        for rank, what in state.items():
            if what == "new":
                m.shells.shell_started(rank, 100 + rank, NOW)
            if what != "end":
                m.shells.shell_exited(rank, 0)
    m.take()
    assert len(of(actions.Close, m.done)) == 1
    m.job.moved()
    kinds = [kind for kind, _ in m.responses()]
    assert kinds.count("release") == 1
    assert kinds[-1] == "release"
    assert kinds.count("finish") == (1 if launched else 0)
    assert kinds.count("start") <= 1
    names = [name for name, _ in m.posts()]
    assert names[-1] == "done"
    assert names.count("shell-exit") <= 1
    fatal = [data for kind, data in m.responses() if kind == "exception" and data["severity"] == 0]
    finish = [data["status"] for kind, data in m.responses() if kind == "finish"]
    if fatal and finish:
        assert finish[0] != 0
