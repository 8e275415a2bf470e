# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13 over several shells: whom a shell asks, whom it answers, and what becomes of a lost one."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
from tests.shell.fakes import FakeShell, FakeTask

from rosin.shell.errors import ShellError
from rosin.shell.plugins.pmi_exchange import METHOD

if TYPE_CHECKING:
    from pathlib import Path

#: Broker ranks of the shells of a job, see FakeShell.
BROKERS = (3, 7, 8, 9, 10, 11, 12)


class Joined:
    """The shells of a job, with a task each, whose requests and answers reach each other."""

    def __init__(self, size: int, options: dict[str, Any] | None = None, **more: Any) -> None:
        self.shells = [FakeShell(options, rank=rank, size=size, **more) for rank in BROKERS[:size]]
        self.tasks: list[FakeTask] = []
        for shell in self.shells:
            plugin = shell.load("pmi")
            for rank in shell.info.local_tasks:
                task = FakeTask(rank)
                shell.tasks.append(task)
                plugin.task_init(task)
                task.on_pmi(task, "cmd=init pmi_version=1 pmi_subversion=1")
                task.said.clear()
                self.tasks.append(task)
        self._asked: dict[FakeShell, list[Any]] = {}
        self.asks: list[tuple[int, int]] = []  # (who, whom)

    def barrier(self, *ranks: int) -> None:
        """Let these tasks put a key and enter a barrier."""
        for rank in ranks or range(len(self.tasks)):
            task = self.tasks[rank]
            task.on_pmi(task, f"cmd=put kvsname=x key=k{rank} value={rank}")
            task.on_pmi(task, "cmd=barrier_in")

    def carry(self) -> None:
        """Deliver requests and answers until there are no more."""
        while any(shell.h.rpcs or shell.h.responses for shell in self.shells):
            for number, shell in enumerate(self.shells):
                sent, shell.h.sent = shell.h.sent, []
                rpcs, shell.h.rpcs = shell.h.rpcs, []
                for (topic, payload, rank), rpc in zip(sent, rpcs, strict=True):
                    assert topic == f"{shell.service.name}.{METHOD}"
                    whom = BROKERS.index(rank)
                    self.asks.append((number, whom))
                    self._asked.setdefault(self.shells[whom], []).append(rpc)
                    self.shells[whom].request(METHOD, payload)
                responses, shell.h.responses = shell.h.responses, []
                for _, error, payload in responses:
                    rpc = self._asked[shell].pop(0)
                    rpc.answer(OSError(error, payload) if error else payload)

    def value(self, rank: int, key: str) -> str:
        task = self.tasks[rank]
        task.on_pmi(task, f"cmd=get kvsname=x key={key}")
        return task.said[-1].strip()


@pytest.mark.parametrize("size", range(2, 8))
def test_everybody_gets_everybodys_keys(size: int) -> None:
    job = Joined(size)
    job.barrier()
    job.carry()
    for rank in range(size):
        assert job.tasks[rank].said[-1] == "cmd=barrier_out rc=0\n"
        for other in range(size):
            assert job.value(rank, f"k{other}") == f"cmd=get_result rc=0 value={other}"


def test_nobody_is_out_before_all_are_in() -> None:
    job = Joined(4)
    job.barrier(0, 1, 3)
    job.carry()
    assert not any("barrier_out" in line for task in job.tasks for line in task.said)
    job.barrier(2)
    job.carry()
    assert all(task.said[-1] == "cmd=barrier_out rc=0\n" for task in job.tasks)


def test_each_asks_the_one_above() -> None:
    job = Joined(7)
    job.barrier()
    job.carry()
    assert sorted(job.asks) == [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)]


@pytest.mark.parametrize(
    ("fanout", "asks", "text"),
    [
        (3, [(1, 0), (2, 0), (3, 0), (4, 1)], "using k=3"),
        (1, [(1, 0), (2, 1), (3, 2), (4, 3)], "using k=1"),
        (9, [(1, 0), (2, 0), (3, 0), (4, 0)], "requested exchange fanout too large, using k=5"),
    ],
)
def test_a_tree_of_another_fanout(fanout: int, asks: list[tuple[int, int]], text: str) -> None:
    job = Joined(5, {"pmi-simple": {"exchange": {"k": fanout}}})
    assert job.shells[0].logged == [(4, text)]
    assert job.shells[1].logged == []
    job.barrier()
    job.carry()
    assert sorted(job.asks) == asks


def test_a_barrier_follows_another() -> None:
    job = Joined(3)
    for _ in range(3):
        job.barrier()
        job.carry()
    assert [task.said.count("cmd=barrier_out rc=0\n") for task in job.tasks] == [3, 3, 3]


def test_a_shell_without_tasks_is_not_waited_for(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("n7\nn8\n")
    job = Joined(3, {"taskmap": {"scheme": "hostfile", "value": str(hosts)}})
    assert [len(shell.tasks) for shell in job.shells] == [0, 2, 1]
    job.barrier()
    job.carry()
    assert job.asks == [(2, 1)]
    assert all(task.said[-1] == "cmd=barrier_out rc=0\n" for task in job.tasks)


def test_the_shell_above_is_lost() -> None:
    """The program is told, as flux-core tells it, and decides itself; so are the shells below."""
    job = Joined(4)
    job.barrier(1, 3)
    shell = job.shells[1]
    shell.request(METHOD, {"k3": "3"})
    shell.h.rpcs[-1].answer(OSError(errno.EHOSTUNREACH, "No route to host"))
    assert shell.logged == [(4, "pmi-exchange request: No route to host"), (4, "exchange failed")]
    assert shell.h.responses == [(METHOD, errno.EIO, "pmi-exchange request: No route to host")]
    assert shell.tasks[0].said[-1] == "cmd=barrier_out rc=-1\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("payload", [{"a": 1}, {"a": {"b": "c"}}, {"dict": None}])
def test_what_are_no_keys(payload: Any) -> None:
    job = Joined(2)
    leader, other = job.shells
    leader.request(METHOD, payload)
    assert leader.h.responses[0][:2] == (METHOD, errno.EPROTO)
    job.barrier(1)
    other.h.rpcs[0].answer(payload)
    assert other.tasks[0].said[-1] == "cmd=barrier_out rc=-1\n"  # type: ignore[attr-defined]


def test_more_requests_than_shells_below() -> None:
    job = Joined(2)
    leader = job.shells[0]
    leader.request(METHOD, {})
    leader.request(METHOD, {"x": "1"})
    assert [(name, error) for name, error, _ in leader.h.responses] == [(METHOD, errno.EINPROGRESS)]
    job.barrier(0)
    assert leader.h.responses[1:] == [(METHOD, 0, {"k0": "0"})]


def test_a_job_without_pmi_has_no_exchange() -> None:
    job = FakeShell({"pmi": "off"})
    job.load("pmi")
    job.request(METHOD, {})
    assert job.h.responses[0][:2] == (METHOD, errno.ENOSYS)


def test_another_key_value_space_is_unknown() -> None:
    from rosin.shell import vocabulary

    with pytest.raises(ShellError, match=r"pmi-simple\.kvs=native: expected exchange"):
        vocabulary.check({"pmi-simple": {"kvs": "native"}})


def test_what_is_asked_again_where_shells_outlive_their_brokers() -> None:
    """Nobody is counted twice, and who missed an answer gets it later."""
    job = Joined(2, keep=60.0)
    leader, other = job.shells

    def ask(barrier: int, key: str) -> None:
        leader.request(METHOD, {"rank": 7, "barrier": barrier, "keys": {key: "1"}})

    ask(1, "k")
    ask(1, "k")
    assert leader.h.responses == []
    job.barrier(0)
    assert leader.h.responses == [(METHOD, 0, {"k0": "0", "k": "1"})]
    assert job.tasks[0].said[-1] == "cmd=barrier_out rc=0\n"
    job.barrier(0)
    ask(1, "k")
    ask(2, "l")
    assert leader.h.responses[1:] == [(METHOD, 0, {"k0": "0", "k": "1"}), (METHOD, 0, {"k0": "0", "l": "1"})]
    for bad in ({"rank": 8, "barrier": 3, "keys": {}}, {"rank": 7, "barrier": 1, "keys": {}}, {"k": "1"}):
        leader.request(METHOD, bad)
    errors = [error for _, error, _ in leader.h.responses[3:]]
    assert errors == [errno.EINVAL, errno.EIO, errno.EPROTO]
    job.barrier(1)
    assert other.h.sent[-1][1:] == ({"rank": 7, "barrier": 1, "keys": {"k1": "1"}}, 3)
