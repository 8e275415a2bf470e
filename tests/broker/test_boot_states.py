# SPDX-License-Identifier: LGPL-3.0-or-later
"""The states that a broker goes through, what happens in each, and the exit code."""

import asyncio
import errno
import gc
import os
import signal

import pytest

from rosin.broker import life as lives
from rosin.broker import rc, rctable
from rosin.broker.module import BrokerModule, request_handler
from rosin.broker.services.table import BUILTINS
from rosin.constants import FLUX_RPC_STREAMING

NONE = [
    "builtins-success: load-builtins->join",
    "parent-none: join->config-sync",
    "sync-none: config-sync->init",
    "rc1-none: init->quorum",
    "quorum-full: quorum->run",
    "rc2-success: run->cleanup",
    "cleanup-success: cleanup->shutdown",
    "children-none: shutdown->finalize",
    "rc3-none: finalize->goodbye",
    "goodbye: goodbye->unload-builtins",
]


def states(*changed: str) -> list[str]:
    """The usual ones, but for those of the same part of life that are given."""
    result = list(NONE)
    for text in changed:
        (at,) = [i for i, usual in enumerate(result) if usual.partition("-")[0] == text.partition("-")[0]]
        result[at] = text
    return result


async def test_from_the_first_to_the_last_state(live, tmp_path):
    life = live("sh", "-c", 'echo "$FLUX_URI" >"$0"', str(tmp_path / "uri"))
    gc.disable()
    assert await life.run() == 0
    assert life.transitions() == NONE
    assert {severity for severity, _ in life.logged("->")} == {6}
    assert all(text.endswith("s") for _, text in life.logged("->"))
    assert (tmp_path / "uri").read_text().strip() == life.broker.attrs.value("local-uri")
    assert life.logged("rc2.0")[0][1].startswith("rc2.0: sh -c echo")
    assert life.logged("Exited (rc=0)")[0][0] == 6
    assert gc.isenabled()
    assert gc.get_freeze_count()
    assert not life.broker.modules
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (["sh", "-c", "exit 3"], 3, "sh -c exit 3 Exited (rc=3)"),
        (["exit 4"], 4, "exit 4 Exited (rc=4)"),
        (["sh", "-c", "kill -9 $$"], 137, "Killed (rc=137)"),
        (["sh", "-c", "exit 143"], 143, "sh -c exit 143 Exited (rc=143)"),  # as flux-core has it
        (["/nonexistent", "x"], 127, "/nonexistent x: cannot start /nonexistent: No such file or directory"),
        (["/etc/passwd", "x"], 126, "/etc/passwd x: cannot start /etc/passwd: Permission denied"),
        (["/dev/null/x", "x"], 126, "cannot start /dev/null/x: Not a directory"),
    ],
)
async def test_the_programs_end_is_the_instances(live, command, code, text):
    life = live(*command)
    assert await life.run() == code
    ((severity, line),) = life.logged("rc2.0: ")
    assert severity == 3
    assert text in line
    assert life.transitions() == states("rc2-fail: run->cleanup")


async def test_a_shell_that_is_not_there_is_named(live, monkeypatch):
    monkeypatch.setenv("SHELL", "/nonexistent/sh")
    life = live()
    assert await life.run() == 127
    text = "cannot start /nonexistent/sh (from the environment variable SHELL): No such file or directory"
    assert life.logged("rc2.0: ") == [(3, f"rc2.0: interactive shell: {text}")]


async def test_credentials_are_the_programs(live, tmp_path):
    life = live("sh", "-c", 'env >"$0"', str(tmp_path / "env"), credentials={"FLUX_TOKEN": "secret"})
    assert await life.run() == 0
    assert "secret" not in (tmp_path / "env").read_text()
    assert "ROSIN_CREDENTIALS" in (tmp_path / "env").read_text()


@pytest.mark.parametrize(("group", "own"), [({}, False), ({"broker.rc2_pgrp": ""}, True)])
async def test_the_programs_process_group(live, tmp_path, group, own):
    life = live("sh", "-c", 'ps -o pgid= -p $$ >"$0"', str(tmp_path / "group"), attrs=group)
    assert await life.run() == 0
    assert (int((tmp_path / "group").read_text()) != os.getpgrp()) is own


# -- the end is asked for ---------------------------------------------------------------------------


async def test_an_instance_without_a_program_runs_until_it_is_shut_down(live):
    life = live(attrs={"broker.rc2_none": ""})
    run = asyncio.create_task(life.run())
    await life.until("quorum-full")
    async with await life.connect() as h:
        assert (await h.rpc("state-machine.get"))["state"] == "run"
        stream = h.rpc("shutdown.start", {"loglevel": 6}, flags=FLUX_RPC_STREAMING)
        lines = [answer["log"] async for answer in stream]  # it ends when the broker does
    assert await run == 0
    assert "broker.info[0]: goodbye: goodbye->unload-builtins" in lines[-1]
    assert life.transitions() == states("rc2-none: run->cleanup")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda instance: instance.shutdown(), 129),
        (lambda instance: instance.signalled(signal.SIGTERM), 143),
        (lambda instance: instance.interrupted(), 130),
        (lambda instance: (instance.signalled(signal.SIGALRM), instance.signalled(signal.SIGTERM)), 142),
    ],
)
@pytest.mark.parametrize("norestart", [0, 42])
async def test_an_end_that_is_asked_for_before_the_program_starts(live, tmp_path, end, code, norestart):
    life = live("touch", str(tmp_path / "ran"), attrs={"broker.exit-norestart": str(norestart)})
    end(life.instance)
    assert await life.run() == (norestart or code)
    assert life.transitions() == states("rc2-abort: run->cleanup")
    assert not (tmp_path / "ran").exists()


HANG = 'trap "exit {}" HUP; echo up >"$0"; while :; do sleep 0.01; done'


async def opened(path):
    """Wait until somebody has opened a fifo to write to it."""
    fd = await asyncio.to_thread(os.open, path, os.O_RDONLY)
    assert await asyncio.to_thread(os.read, fd, 3) == b"up\n"
    os.close(fd)


@pytest.mark.parametrize(
    ("status", "norestart", "code", "how"),
    [
        (5, 0, 5, "Exited (rc=5)"),
        (0, 0, 1, "aborted after exit with rc=0 (rc=1)"),
        (5, 42, 42, "Exited (rc=5)"),
    ],
)
async def test_a_running_program_is_hung_up_on(live, tmp_path, status, norestart, code, how):
    os.mkfifo(tmp_path / "up")
    attrs = {"broker.exit-norestart": str(norestart)}
    life = live("sh", "-c", HANG.format(status), str(tmp_path / "up"), attrs=attrs)
    run = asyncio.create_task(life.run())
    await opened(tmp_path / "up")
    life.instance.interrupted()  # the terminal has told the program
    life.instance.signalled(signal.SIGTERM)
    life.instance.shutdown()
    assert await run == code
    assert how in life.logged("rc2.0")[0][1]
    assert life.transitions() == states("rc2-fail: run->cleanup")


async def test_a_program_that_fails_by_itself_may_be_started_again(live):
    life = live("exit 7", attrs={"broker.exit-norestart": "42"})
    assert await life.run() == 7


async def test_an_interrupt_is_the_programs_when_it_runs(live, tmp_path):
    os.mkfifo(tmp_path / "up")
    os.mkfifo(tmp_path / "go")
    life = live("sh", "-c", f'echo up >"$0"; read x <{tmp_path}/go; exit 6', str(tmp_path / "up"))
    run = asyncio.create_task(life.run())
    await opened(tmp_path / "up")
    life.instance.interrupted()
    assert not life.instance._stopping.is_set()
    await asyncio.to_thread((tmp_path / "go").write_text, "go\n")
    assert await run == 6


async def test_signals_are_blocked_at_the_end(live):
    signals = {*(signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM), signal.SIGINT}
    signals |= {signal.SIGUSR1, signal.SIGUSR2}
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & signals
    assert await live("true").run() == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) & signals == signals


# -- rc1, cleanup, rc3 as the broker sees them --------------------------------------------------------


@pytest.mark.parametrize(("attrs", "code"), [({}, 3), ({"broker.exit-norestart": "42"}, 42)])
async def test_rc1_fails(live, tmp_path, attrs, code):
    life = live("touch", str(tmp_path / "ran"), attrs={"broker.rc1_path": "exit 3", **attrs})
    assert await life.run() == code
    assert not (tmp_path / "ran").exists()
    assert life.logged("rc1.0: exit 3 Exited (rc=3)")[0][0] == 3
    head, tail = NONE[:3], NONE[7:]
    assert life.transitions() == [*head, "rc1-fail: init->shutdown", *tail]


async def test_rc1_fails_in_recovery_mode(live):
    life = live("exit 5", attrs={"broker.rc1_path": "exit 3", "broker.recovery-mode": "1"})
    assert await life.run() == 5
    assert life.logged("recovery") == [(3, "rc1 has failed; going on, as this is recovery mode")]
    assert life.transitions() == states("rc1-success: init->quorum", "rc2-fail: run->cleanup")


@pytest.mark.parametrize(
    ("exc", "lines"),
    [
        (OSError(errno.EINVAL, "module x: no"), ["rc1: module x: no"]),
        (ZeroDivisionError("bug"), ["rc1: Traceback (most recent call last):", "ZeroDivisionError: bug"]),
    ],
)
async def test_the_builtin_rc1_fails(live, monkeypatch, exc, lines):
    async def fail(*_args):
        raise exc

    monkeypatch.setattr(rc, "rc1", fail)
    life = live("true", attrs={"broker.rc1_path": "rosin modprobe rc1"})
    assert await life.run() == 1
    logged = life.logged()
    assert all((3, line) in logged for line in lines)
    assert "rc1-fail: init->shutdown" in life.transitions()


async def test_an_instance_without_rc1_has_what_is_built_in(live, tmp_path):
    os.mkfifo(tmp_path / "up")
    life = live("sh", "-c", HANG.format(5), str(tmp_path / "up"))
    run = asyncio.create_task(life.run())
    await opened(tmp_path / "up")
    loaded = {name for name, module in life.broker.modules.items() if not module.builtin}
    assert loaded == set(rctable.always())
    life.instance.shutdown()
    await run


@pytest.mark.parametrize(("program", "code"), [("true", 4), ("exit 5", 5)])
async def test_rc3_fails(live, program, code):
    life = live(program, attrs={"broker.rc3_path": "exit 4"})
    assert await life.run() == code
    assert life.transitions()[-2:] == ["rc3-fail: finalize->goodbye", NONE[-1]]


async def test_the_builtin_rc3(live, monkeypatch):
    called = []

    async def rc3(broker, _h):
        called.append(broker)

    monkeypatch.setattr(rc, "rc3", rc3)
    life = live("true", attrs={"broker.rc3_path": "rosin modprobe rc3"})
    assert await life.run() == 0
    assert called == [life.broker]
    assert life.transitions() == states("rc3-success: finalize->goodbye")


async def test_rc_programs_succeed(live):
    life = live("true", attrs={"broker.rc1_path": "echo one", "broker.rc3_path": "echo three"})
    assert await life.run() == 0
    assert life.transitions() == states("rc1-success: init->quorum", "rc3-success: finalize->goodbye")
    assert life.logged("rc1.0: one") == [(6, "rc1.0: one")]
    assert life.logged("rc3.0: three") == [(6, "rc3.0: three")]


async def test_an_interrupt_during_rc1_ends_it(live, tmp_path):
    os.mkfifo(tmp_path / "up")
    script = f'trap "exit 9" TERM; echo up >{tmp_path}/up; while :; do sleep 0.01; done'
    life = live("true", attrs={"broker.rc1_path": script})
    run = asyncio.create_task(life.run())
    await opened(tmp_path / "up")
    life.instance.interrupted()
    assert await run == 9


@pytest.fixture
def stuck(monkeypatch):
    """A cleanup that never ends."""

    async def never(*_args):
        await asyncio.Event().wait()

    monkeypatch.setattr(rc, "cleanup", never)


@pytest.mark.usefixtures("stuck")
@pytest.mark.parametrize("code", [1, 5])
async def test_after_a_signal_cleanup_has_a_limit(live, tmp_path, code):
    os.mkfifo(tmp_path / "up")
    attrs = {"broker.cleanup-timeout": "1ms", **({"broker.rc2_none": ""} if code == 1 else {})}
    life = live("sh", "-c", HANG.format(5), str(tmp_path / "up"), attrs=attrs)
    run = asyncio.create_task(life.run())
    await (life.until("quorum-full") if code == 1 else opened(tmp_path / "up"))
    life.instance.signalled(signal.SIGTERM)
    assert await run == code
    assert life.logged("not over") == [(3, "cleanup: not over after broker.cleanup-timeout=1ms")]
    assert "cleanup-fail: cleanup->shutdown" in life.transitions()


@pytest.mark.usefixtures("stuck")
@pytest.mark.parametrize("stopped", [True, False])
async def test_cleanup_has_no_limit_unless_both_a_signal_and_an_attribute_say_so(live, stopped):
    life = live("true", attrs={} if stopped else {"broker.cleanup-timeout": "0"})
    run = asyncio.create_task(life.run())
    await life.until("rc2-success" if not stopped else "rc2.0: ")
    if stopped:
        life.instance.shutdown()
    for _ in range(50):
        await asyncio.sleep(0)
    assert life.transitions()[-1].endswith("->cleanup")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await life.broker.close()


class Sticky(BrokerModule):
    """A built-in module that does not end."""

    name = "sticky"
    builtin = True

    @request_handler("x")
    def x(self, _msg):
        return None

    async def stop(self):
        await asyncio.Event().wait()


@pytest.mark.parametrize("limit", ["1ms", None])
async def test_unloading_has_a_limit(live, monkeypatch, limit):
    monkeypatch.setattr(lives, "BUILTINS", (*BUILTINS, Sticky))
    life = live("exit 5", attrs={"broker.unload-builtins-timeout": limit} if limit else {})
    run = asyncio.create_task(life.run())
    if limit:
        assert await run == 5
        text = "modules still run after broker.unload-builtins-timeout=1ms"
        assert life.logged("still run") == [(3, text)]
    else:
        await life.until(NONE[-1])
        for _ in range(50):
            await asyncio.sleep(0)
        assert not run.done()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run


# -- who is told ------------------------------------------------------------------------------------
