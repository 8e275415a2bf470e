# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard input of tasks: who takes it, who reads it, and what nobody reads any more."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.shell.fakes import JOBID, FakeShell, FakeTask

from rosin.constants import FLUX_NODEID_ANY
from rosin.rfc.ioencode import encode_data
from rosin.shell.errors import ShellError
from rosin.shell.options import Options
from rosin.shell.plugins.input import Input


def receive(deaf: list[bool], data: bytes, ranks: str = "all") -> list[bytes]:
    """What tasks get of input above the limit."""
    got: list[bytes] = []
    tasks: Any = [
        SimpleNamespace(rank=rank, deaf=flag, write_stdin=lambda chunk, eof: got.append(chunk))
        for rank, flag in enumerate(deaf)
    ]
    job_input = Input(Options({"input": {"limit": 4}}), 2)
    job_input.begin(lambda name, context: None)
    assert job_input.receive(encode_data("stdin", ranks, data), tasks) is bool(got)
    return got


def test_it_is_dropped_and_counts_for_no_limit() -> None:
    for deaf, ranks in (([True, True], "all"), ([False, True], "1")):
        assert receive(deaf, b"12345", ranks) == []


def test_who_sends_it_is_told() -> None:
    shell = FakeShell()
    plugin, task = shell.load("input"), FakeTask()
    task.deaf = True
    shell.tasks = [task]  # type: ignore[list-item]
    plugin.shell_init()
    plugin.shell_begin()
    shell.request("stdin", encode_data("stdin", "0", b"x"))
    assert shell.h.responses == [("stdin", 0, {"unread": True})]
    assert task.input == []


def test_one_reader_is_enough_for_the_limit() -> None:
    with pytest.raises(ShellError, match="exceeds"):
        receive([True, False], b"12345")
    assert receive([True, False], b"1234") == [b"1234"] * 2


def test_a_task_of_another_shell_may_still_read() -> None:
    with pytest.raises(ShellError, match="exceeds"):
        receive([True], b"12345")


WATCH = "job-info.eventlog-watch"


def test_the_leader_records_what_it_takes() -> None:
    shell = FakeShell()
    plugin, task = shell.load("input"), FakeTask()
    shell.tasks = [task]  # type: ignore[list-item]
    plugin.shell_init()
    plugin.shell_begin()
    plugin.shell_post_init()
    context = encode_data("stdin", "all", b"x", eof=True)
    shell.request("stdin", context)
    shell.request("stdin", context)
    assert task.input == [(b"x", True)]
    assert [(key, name) for key, name, _ in shell.guest.entries] == [("input", "header"), ("input", "data")]
    assert shell.h.responses == [("stdin", 0, None), ("stdin", errno.ENOSYS, "standard input is closed")]
    assert shell.h.sent == []


def test_the_log_is_read_where_the_job_is_known() -> None:
    shell = FakeShell(rank=7)
    shell.startup.source = 0
    shell.load("input").shell_post_init()
    assert [nodeid for _, _, nodeid in shell.h.sent] == [0]


def test_another_shell_reads_the_log() -> None:
    shell = FakeShell(rank=7)
    plugin, task = shell.load("input"), FakeTask(1)
    shell.tasks = [task]  # type: ignore[list-item]
    plugin.shell_begin()
    plugin.shell_post_init()
    assert shell.guest.entries == []
    assert shell.h.sent == [(WATCH, {"id": JOBID, "path": "guest.input", "flags": 0}, FLUX_NODEID_ANY)]
    watch = shell.h.find(WATCH)
    watch.answer({"event": '{"timestamp":1.0,"name":"header","context":{}}\n'})
    data = '{"stream":"stdin","rank":"1","data":"x"}'
    watch.answer({"event": f'{{"timestamp":1.0,"name":"data","context":{data}}}\n'})
    assert task.input == [(b"x", False)]
    watch.answer(OSError(errno.ENODATA, "end"))
    with pytest.raises(ShellError, match="no more"):
        watch.answer(OSError(errno.EIO, "no more"))
    with pytest.raises(ShellError, match="malformed"):
        watch.answer({"event": "x"})


def entry(name: str, text: str = "{}") -> dict[str, str]:
    return {"event": f'{{"timestamp":1.0,"name":"{name}","context":{text}}}\n'}


def test_a_log_that_is_told_again() -> None:
    """By another broker, in the same watch, or because the way to the log was lost."""
    shell = FakeShell(rank=7, keep=60.0)
    plugin, task = shell.load("input"), FakeTask(1)
    shell.tasks = [task]  # type: ignore[list-item]
    plugin.shell_post_init()
    watch = shell.h.find(WATCH)
    told = [entry("header"), *(entry("data", f'{{"stream":"stdin","rank":"1","data":"{x}"}}') for x in "abc")]
    for event in (*told[:3], *told[:2]):
        watch.answer(event)
    watch.answer(OSError(errno.EHOSTUNREACH, "lost"))
    shell.h.timers[-1].callback()
    for event in told:
        shell.h.rpcs[-1].answer(event)
    assert task.input == [(b"a", False), (b"b", False), (b"c", False)]
    watch.answer(OSError(errno.EHOSTUNREACH, "lost"))
    shell.h.lost, count = True, len(shell.h.rpcs)
    shell.h.timers[-1].callback()
    assert len(shell.h.rpcs) == count


@pytest.mark.parametrize("rank", [3, 7])
def test_a_file_is_every_tasks_own(rank: int, tmp_path: Path) -> None:
    path = tmp_path / "in"
    shell = FakeShell({"input": {"stdin": {"type": "file", "path": str(path)}}}, rank=rank)
    plugin, task = shell.load("input"), FakeTask()
    assert plugin.prepares
    with pytest.raises(ShellError, match=f"error opening input file '{path}': No such file"):
        plugin.shell_init()
    path.touch()
    plugin.shell_init()
    plugin.shell_begin()
    plugin.shell_post_init()
    plugin.task_init(task)
    assert task.stdin_path == str(path)
    names = ["header", "redirect"] if rank == 3 else []
    assert [name for _, name, _ in shell.guest.entries] == names
    assert shell.h.sent == []


@pytest.mark.parametrize("stdin", [{"type": "telepathy"}, {"type": "file"}])
def test_what_is_no_source(stdin: dict[str, Any]) -> None:
    with pytest.raises(ShellError):
        FakeShell({"input": {"stdin": stdin}}).load("input")
