# SPDX-License-Identifier: LGPL-3.0-or-later
"""Programs beside the tasks: what the option says, one shell with real ones, and who waits for whom."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.shell.conftest import JOBID
from tests.shell.fakes import FakeShell

from rosin.rfc import fluid
from rosin.shell.errors import ShellError
from rosin.shell.plugins import coprocess
from rosin.shell.plugins.coprocess_option import MOST, parse

# --- the option


def test_what_is_not_said() -> None:
    (conf,) = parse({"mon": {"command": ["top"]}})
    assert (conf.name, conf.command, conf.output) == ("mon", ["top"], "coproc-mon-{{id}}.log")
    assert conf.runs_on(0)
    assert conf.runs_on(99)


def test_what_is_said() -> None:
    (conf,) = parse({"mon": {"command": ["top", "-b"], "output": "o", "ranks": "0,2-3"}})
    assert [rank for rank in range(5) if conf.runs_on(rank)] == [0, 2, 3]
    assert (conf.command, conf.output) == (["top", "-b"], "o")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, "coprocess=1: it must be a non-empty object: expected one such as {"),
        ({}, "coprocess={}: it must be a non-empty object"),
        ({"a": 3}, "coprocess: a: expected an object, as in {.*, got 3"),
        ({"a": {}}, "coprocess: a: command must be a non-empty array of strings: .*, got None"),
        ({"a": {"command": []}}, "a: command must be a non-empty array of strings"),
        ({"a": {"command": "top"}}, "a: command must be a non-empty array of strings"),
        ({"a": {"command": ["x", 1]}}, "a: command must be a non-empty array of strings"),
        ({"a": {"command": ["x\0"]}}, "a: command must be a non-empty array of strings"),
        ({"a": {"command": ["x"], "foo": 1}}, "a: unknown key foo: expected one of command, output, ranks"),
        (
            {"a": {"command": ["x"], "ranks": "x"}},
            "a: invalid ranks 'x': expected all or an idset, as in 0-3",
        ),
        ({"a": {"command": ["x"], "ranks": 0}}, "a: invalid ranks 0: expected all or an idset"),
        ({"a": {"command": ["x"], "output": 0}}, "a: output=0: expected a file, as in"),
        ({"a/b": {"command": ["x"]}}, "'a/b': expected a name without a slash"),
        (dict.fromkeys(map(str, range(MOST + 1)), 0), f"{MOST + 1} programs: expected {MOST} at most"),
    ],
)
def test_what_means_nothing(value: Any, message: str) -> None:
    with pytest.raises(ShellError, match=message):
        parse(value)


def test_a_time_that_means_nothing() -> None:
    with pytest.raises(ShellError, match="coprocess-kill-timeout=x: expected a duration, as in 10s"):
        FakeShell({"coprocess-kill-timeout": "x"}).load("coprocess")


# --- one shell

#: Writes when it has started, and when it is told to end.
POLITE = 'trap "echo bye; exit 0" TERM; echo up $FLUX_JOB_SIZE >&2; exec 2>&-; '
POLITE += "touch $UP; while :; do sleep 0.05; done"
#: Ends when the file is there: the program runs by then.
WAIT = ["sh", "-c", "until test -e $UP; do sleep 0.02; done"]


@pytest.fixture
def job(run: Any, tmp_path: Path) -> Any:
    def job(programs: dict[str, Any], command: list[str], **options: Any) -> int:
        env = {"PATH": os.environ["PATH"], "UP": str(tmp_path / "up")}
        options = {"coprocess": programs, **options}
        code: int = run(command, options=options, cwd=str(tmp_path), environment=env)
        return code

    return job


def test_a_program_ends_with_the_tasks(job: Any, broker: Any, tmp_path: Path) -> None:
    assert job({"mon": {"command": ["sh", "-c", POLITE]}}, WAIT) == 0
    output = tmp_path / f"coproc-mon-{fluid.encode(JOBID, 'f58')}.log"
    assert output.read_text() == "up 1\nbye\n"
    assert output.stat().st_mode & 0o777 == 0o600
    assert broker.messages() == []


def test_a_program_that_does_not_end(job: Any, broker: Any, tmp_path: Path) -> None:
    stubborn = "trap : TERM; touch $UP; while :; do sleep 0.02; done"
    options = {"coprocess-kill-timeout": 0.01}
    assert job({"m": {"command": ["sh", "-c", stubborn], "output": "o"}}, WAIT, **options) == 0
    assert broker.messages() == ["helper(s) still running, sending SIGKILL"]


def test_its_children_that_hold_the_output(job: Any, broker: Any, tmp_path: Path) -> None:
    left = "sleep 600 & echo $!; touch $UP"
    assert job({"m": {"command": ["sh", "-c", left], "output": "o"}}, WAIT) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "o").read_text()), 0)


def test_after_sigkill_nothing_stays(start: Any, broker: Any, tmp_path: Path) -> None:
    stubborn = "trap : TERM; echo $$; exec 1>&-; touch up; while :; do sleep 0.02; done"
    options = {"coprocess": {"m": {"command": ["sh", "-c", stubborn], "output": "o"}}}
    job = start(
        ["sh", "-c", "until test -e up; do sleep 0.02; done; echo up; exec sleep 600"],
        options=options,
        cwd=str(tmp_path),
    )
    broker.wait(lambda: broker.output() == b"up\n")
    broker.event(f"shell-{JOBID}.kill", {"signum": int(signal.SIGKILL)})
    assert job.wait() == 137
    assert broker.messages() == []


def test_programs_that_cannot_be_run_or_written(job: Any, broker: Any, tmp_path: Path) -> None:
    programs = {
        "a": {"command": ["nosuch"], "output": "a"},
        "b": {"command": ["sh", "-c", "echo x; touch up"], "output": "/no/such/b"},
        "c": {"command": ["true"], "output": "c"},
        "d": {"command": ["echo", "hi"], "output": "d", "ranks": "1"},
    }
    assert job(programs, WAIT) == 0
    assert sorted(broker.messages()) == [
        "a: launch failed: No such file or directory",
        "b: /no/such/b: No such file or directory",
    ]
    assert [path.name for path in tmp_path.iterdir() if path.name in "abcd"] == []  # nothing was written


# --- several shells


def write(shell: FakeShell, **payload: Any) -> None:
    shell.request("coprocess-write", {"name": "m", **payload})


def test_the_leader_waits_for_what_others_write(tmp_path: Path) -> None:
    path = str(tmp_path / "o")
    shell = FakeShell({"coprocess": {"m": {"command": ["true"], "output": path}}}, size=4)
    plugin = shell.load("coprocess")
    assert shell.held
    write(shell, data="from 2\n")
    write(shell, eof_rank=2)
    write(shell, eof_rank=2)
    plugin.shell_lost(1)
    assert shell.held
    write(shell, data="from 3\n")
    write(shell, eof_rank=3)
    assert not shell.held
    plugin.shell_exit()
    assert (tmp_path / "o").read_text() == "from 2\nfrom 3\n"


@pytest.mark.parametrize("program", [{"output": "o-{{node.id}}"}, {"ranks": "0"}, {"ranks": "9"}])
def test_the_leader_waits_for_nobody(program: dict[str, str]) -> None:
    shell = FakeShell({"coprocess": {"m": {"command": ["true"], **program}}}, size=3)
    shell.load("coprocess")
    assert not shell.held


@pytest.mark.parametrize("payload", [{"name": "x"}, {}, {"data": 3}, {"eof_rank": "x"}])
def test_what_no_shell_sends(payload: dict[str, Any]) -> None:
    shell = FakeShell({"coprocess": {"m": {"command": ["true"]}}})
    shell.load("coprocess")
    shell.request("coprocess-write", {"name": "m", **payload} if payload else {})
    assert shell.h.responses[-1][1] == 71  # EPROTO


@pytest.fixture
def follower(tmp_path: Path) -> tuple[FakeShell, Any]:
    shell = FakeShell({"coprocess": {"m": {"command": ["cat", os.devnull]}}}, rank=7)
    shell.environment["PATH"] = os.environ["PATH"]
    plugin = shell.load("coprocess")
    plugin.shell_start()
    return shell, plugin


def test_others_send_what_their_programs_write(follower: tuple[FakeShell, Any]) -> None:
    shell, plugin = follower
    (program,) = plugin._programs
    assert shell.held
    program._take(b"a\xc3")  # half a letter
    program._take(b"\xa4\xff\n")
    child = program.child
    plugin.child_exit(child.pid, child.wait())
    assert not shell.held
    topic = f"{shell.service.name}.coprocess-write"
    assert shell.h.sent == [
        (topic, {"name": "m", "data": "a"}, 3),
        (topic, {"name": "m", "data": "ä\ufffd\n"}, 3),
        (topic, {"name": "m", "eof_rank": 1}, 3),
    ]
    assert shell.h.watched == {}


def test_a_flood_waits_for_the_leader(
    follower: tuple[FakeShell, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, plugin = follower
    (program,) = plugin._programs
    monkeypatch.setattr(coprocess, "_WINDOW", 4)
    program._take(b"123")
    assert shell.h.watched
    program._take(b"4")
    assert not shell.h.watched
    shell.h.find(f"{shell.service.name}.write-getcredit").answer({"credits": 0})
    assert shell.h.watched
    program._take(b"1234")
    shell.h.rpcs[-1].answer(OSError(113, "No route to host"))
    assert shell.logged == [(3, "m: output is lost: No route to host")]
    child = program.child
    plugin.child_exit(child.pid, child.wait())


def test_a_program_that_cannot_be_run_elsewhere_has_no_output() -> None:
    shell = FakeShell({"coprocess": {"m": {"command": ["nosuch"]}}}, rank=7)
    plugin = shell.load("coprocess")
    plugin.shell_start()
    assert shell.h.sent == [(f"{shell.service.name}.coprocess-write", {"name": "m", "eof_rank": 1}, 3)]
    assert not shell.held
    plugin.shell_finish()
    assert shell.h.timers == []
