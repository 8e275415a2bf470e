# SPDX-License-Identifier: LGPL-3.0-or-later
"""What shells of a job say to each other while brokers on the way are lost."""

from __future__ import annotations

import errno
from random import Random
from typing import Any

import pytest
from tests.shell.fakes import JOBID, FakeShell

from rosin.rfc.payload import field
from rosin.shell.others import HEARD, RELAY, Hearing, Tidings
from rosin.shell.plugins.api import Api

ACTIVE = "job-exec.shell-active"


class Answers(list[Any]):
    """What a call has come to."""

    def __call__(self, rpc: Any) -> None:
        try:
            self.append(rpc.get())
        except OSError as error:
            self.append(error.errno)


def ask(shell: FakeShell) -> Answers:
    answers = Answers()
    shell.ask("method", {"n": 1}, answers)
    return answers


def lose(shell: FakeShell, active: Any) -> None:
    """The last request is lost, and the execution service says this of the shell that was to answer it."""
    shell.h.rpcs[-1].answer(OSError(errno.EHOSTUNREACH, "lost"))
    assert shell.h.sent[-1][:2] == (ACTIVE, {"id": JOBID, "rank": 3})
    shell.h.rpcs[-1].answer(active)


def test_a_request_is_made_again_as_long_as_there_may_be_an_answer() -> None:
    shell = FakeShell(rank=7, keep=60.0)
    answers = ask(shell)
    for active in ({"active": True}, OSError(errno.ENOSYS, "not yet")):
        lose(shell, active)
        shell.h.timers[-1].callback()
        assert shell.h.sent[-1] == (f"{shell.service.name}.method", {"n": 1}, 3)
    shell.h.rpcs[-1].answer({"n": 2})
    assert answers == [{"n": 2}]


@pytest.mark.parametrize("active", [{"active": False}, OSError(errno.ENOENT, "job is over")])
def test_a_shell_of_which_nothing_is_expected(active: Any) -> None:
    shell = FakeShell(rank=7, keep=60.0)
    answers = ask(shell)
    lose(shell, active)
    assert answers == [errno.EHOSTUNREACH]
    assert all(timer.cancelled for timer in shell.h.timers)


def look(shell: FakeShell, active: Any) -> None:
    """Nothing has come for a while, and the execution service says this of the other shell."""
    shell.h.timers[-1].callback()
    assert shell.h.sent[-1][:2] == (ACTIVE, {"id": JOBID, "rank": 3})
    shell.h.rpcs[-1].answer(active)


def test_a_shell_that_ended_when_it_was_asked() -> None:
    """Nobody answers what it had not read; while it is there, an answer may take as long as it takes."""
    shell = FakeShell(rank=7, keep=60.0)
    answers = ask(shell)
    asked = shell.h.rpcs[-1]
    for active in ({"active": True}, OSError(errno.ENOSYS, "not yet"), {"active": True}):
        look(shell, active)
    assert [timer.after for timer in shell.h.timers] == [2.0, 4.0, 8.0, 8.0]
    assert answers == []
    look(shell, {"active": False})
    assert answers == [errno.ECONNRESET]
    asked.answer({"n": 2})
    assert answers == [errno.ECONNRESET]


def test_an_answer_that_comes_while_the_service_is_asked() -> None:
    shell = FakeShell(rank=7, keep=60.0)
    answers = ask(shell)
    asked = shell.h.rpcs[-1]
    shell.h.timers[-1].callback()
    asked.answer({"n": 2})
    shell.h.rpcs[-1].answer({"active": False})
    assert answers == [{"n": 2}]


def test_nobody_is_asked_of_shells_that_end_with_their_brokers_or_have_lost_theirs() -> None:
    shell = FakeShell(rank=7)
    ask(shell)
    assert shell.h.timers == []
    shell = FakeShell(rank=7, keep=60.0)
    ask(shell)
    shell.h.lost = True
    shell.h.timers[-1].callback()
    assert shell.h.sent[-1][0] != ACTIVE


def test_when_the_own_broker_is_lost_meanwhile() -> None:
    shell = FakeShell(rank=7, keep=60.0)
    answers = ask(shell)
    lose(shell, {"active": True})
    shell.h.lost = True
    shell.h.timers[-1].callback()
    assert answers == [errno.EHOSTUNREACH]
    assert ask(shell) == []
    shell.h.rpcs[-1].answer(OSError(errno.ECONNRESET, "lost"))
    assert shell.h.sent[-1][0] != ACTIVE


def test_no_longer_than_a_shell_waits_for_its_own_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = FakeShell(rank=7, keep=60.0)
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    answers = ask(shell)
    lose(shell, {"active": True})
    now += 60.0
    shell.h.timers[-1].callback()
    lose(shell, {"active": True})
    assert answers == [errno.EHOSTUNREACH]


@pytest.mark.parametrize("error", [errno.EIO, errno.EHOSTUNREACH])
def test_other_answers_and_other_jobs(error: int) -> None:
    """A refusal is one, and where shells end with their brokers nothing is asked again."""
    shell = FakeShell(rank=7, keep=60.0 if error == errno.EIO else 0.0)
    answers = ask(shell)
    shell.h.rpcs[-1].answer(OSError(error, "no"))
    assert answers == [error]


class Pair:
    """A leader and another shell. What one sends is in ``sent`` until it is carried, or lost."""

    def __init__(self) -> None:
        self.leader = FakeShell(rank=3, keep=60.0)
        self.other = FakeShell(rank=7, keep=60.0)
        Hearing(self.leader)
        self.relay = self.other.relay = Tidings(self.other)
        self.heard: list[int] = []
        self.leader.service.methods["note"] = lambda msg: self.heard.append(field(msg.args, "n", int))
        self.idle = 0
        self.relay.on_idle = self._idle

    def _idle(self) -> None:
        self.idle += 1

    def carry(self, lost: Random | None = None) -> None:
        """Everything that is on its way, but for what is lost."""
        sent, self.other.h.sent = self.other.h.sent, []
        rpcs, self.other.h.rpcs = self.other.h.rpcs, []
        timers, self.other.h.timers = self.other.h.timers, []
        for timer in timers:
            if not timer.cancelled:
                timer.callback()
        for (topic, payload, _rank), rpc in zip(sent, rpcs, strict=True):
            if topic == ACTIVE:
                rpc.answer({"active": True})
            elif lost is not None and lost.random() < 0.3:
                if topic.endswith(HEARD):
                    rpc.answer(OSError(errno.EHOSTUNREACH, "lost"))
            else:
                self._deliver(topic.rpartition(".")[2], payload, rpc, lost)

    def _deliver(self, method: str, payload: Any, rpc: Any, lost: Random | None) -> None:
        self.leader.h.responses.clear()
        self.leader.request(method, payload)
        for _, error, answer in self.leader.h.responses:
            gone = lost is not None and lost.random() < 0.3
            rpc.answer(OSError(errno.EHOSTUNREACH, "lost") if gone else OSError(error) if error else answer)


@pytest.mark.parametrize("seed", range(20))
def test_all_is_heard_once_and_in_order(seed: int) -> None:
    pair, random = Pair(), Random(seed)
    said = 0
    while said < 50 or not pair.relay.idle:
        for _ in range(random.randrange(4) if said < 50 else 0):
            said += 1
            pair.other.tell("note", {"n": said})
        pair.carry(random)
    assert pair.heard == list(range(1, said + 1))
    assert pair.idle


def test_nothing_is_asked_where_nothing_was_said() -> None:
    pair = Pair()
    assert pair.relay.idle
    pair.relay.hurry()
    assert pair.other.h.timers == []
    pair.other.tell("note", {"n": 1})
    assert [timer.after for timer in pair.other.h.timers] == [0.0]


def test_a_leader_that_is_gone_is_not_waited_for() -> None:
    pair = Pair()
    pair.other.tell("note", {"n": 1})
    pair.relay.hurry()
    pair.other.h.timers[-1].callback()
    pair.other.h.rpcs[-1].answer(OSError(errno.ENOSYS, "gone"))
    pair.other.h.rpcs[-1].answer({"active": False})
    assert pair.relay.idle
    assert pair.idle == 1
    count = len(pair.other.h.sent)
    pair.other.tell("note", {"n": 2})
    assert len(pair.other.h.sent) == count


def test_what_no_shell_says() -> None:
    pair = Pair()
    good = {"shell_rank": 1, "number": 1, "method": "note", "payload": {"n": 1}}
    for bad in ({"shell_rank": 0}, {"shell_rank": 2}, {"number": 0}, {"number": "1"}, {"method": 1}):
        pair.leader.request(RELAY, {**good, **bad})
    pair.leader.request(RELAY, {**good, "number": 2})
    pair.leader.request(HEARD, {"shell_rank": 9})
    assert pair.heard == []


def test_without_need_nothing_is_numbered() -> None:
    shell: Api = FakeShell(rank=7)
    shell.tell("note", {"n": 1})
    assert shell.h.sent == [(f"{shell.service.name}.note", {"n": 1}, 3)]  # type: ignore[attr-defined]
