# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker as a process runs it: the loop of its own, signals, and what is closed at the end."""

import asyncio
import errno
import os
import resource
import signal

import pytest
import uvloop

from rosin import _json
from rosin.broker import boot

#: The program sends a signal to the broker, its parent, and waits until it is hung up on.
PROGRAM = 'trap "exit 5" HUP; kill -{} $PPID; while :; do sleep 0.01; done'


class Zygote:
    """What the broker does with the process that starts others."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.on_lost = None

    def attach(self, loop) -> None:
        self.calls.append(f"attach {type(loop).__module__.partition('.')[0]}")

    def guard(self, _pid: int) -> None:
        self.calls.append("guard")

    def unguard(self, _pid: int) -> None:
        self.calls.append("unguard")

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def options(live, monkeypatch):
    # libuv keeps a pipe until the end of the process, which the forks of other tests would inherit.
    monkeypatch.setattr(uvloop, "run", asyncio.run)

    def make(*command: str, **attrs: str):
        return live(*command, attrs=attrs).instance.options

    return make


@pytest.mark.parametrize("name", ["TERM", "HUP", "QUIT", "ALRM"])
def test_a_deadly_signal_ends_it_in_good_order(options, tmp_path, name):
    assert boot.run(options("sh", "-c", PROGRAM.format(name))) == 5
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_an_ignored_signal_does_not(options, name):
    number = getattr(signal, f"SIG{name}")
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert boot.run(options("sh", "-c", f"kill -{name} $PPID; exit 4"), None, frozenset({number})) == 4
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_an_interrupt_is_the_programs(options):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests were started with
    try:
        assert boot.run(options("sh", "-c", "kill -INT $PPID; exit 4")) == 4
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", ["USR1", "USR2"])
def test_signals_for_jobs_do_not_end_it(options, tmp_path, name):
    log = tmp_path / "log"
    script = (
        f'kill -{name} $PPID; until grep -q "signal .* is not forwarded" {log}; do sleep 0.01; done; exit 4'
    )
    assert boot.run(options("sh", "-c", script, **{"log-filename": str(log)})) == 4


def test_a_start_that_fails_closes_what_there_is(options, tmp_path):
    zygote = Zygote()
    with pytest.raises(OSError, match="nosuch: unknown attribute") as caught:
        boot.run(options("true", nosuch="1"), zygote)
    assert caught.value.errno == errno.EINVAL
    assert zygote.calls == ["close"]
    with pytest.raises(OSError, match="is not local:// with an absolute path"):
        boot.run(options("true", **{"local-uri": "tcp://x"}))
    assert os.listdir(tmp_path / "tmp") == []


def test_programs_are_guarded(options):
    zygote = Zygote()
    assert boot.run(options("true", **{"broker.rc3_path": "true"}), zygote) == 0
    assert zygote.calls == ["attach asyncio", *["guard", "unguard"] * 2, "close"]
    assert zygote.on_lost is not None


def test_the_process_gets_what_a_broker_needs(options, monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    calls = []
    monkeypatch.setattr(_json, "accelerate", lambda: calls.append("accelerate"))
    assert boot.run(options("true")) == 0
    assert calls == ["accelerate"]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 1 << 20)


def test_a_whole_instance(options, tmp_path):
    """With all its modules; the log says what they were and in which order they went."""
    log = tmp_path / "log"
    attrs = {"broker.rc1_path": "flux modprobe rc1", "broker.rc3_path": "flux modprobe rc3"}
    assert boot.run(options("true", **attrs, **{"log-filename": str(log)})) == 0
    text = log.read_text()
    for line in (
        "rc1-success: init->quorum",
        "cleanup-success: cleanup->shutdown",
        "rc3-success: finalize->goodbye",
    ):
        assert line in text
    assert ".err[" not in text
