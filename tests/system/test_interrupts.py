# SPDX-License-Identifier: LGPL-3.0-or-later
"""Interrupts before there is anybody to take them, and signals that whoever starts us ignores or blocks."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.broker.life import BootOptions, Life
from rosin.testing.process import RealInstance, settable

#: A module that is interrupted while it is imported, in code that lets no exception through.
STUB = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0)
except BaseException:
    pass
raise SystemExit("the interrupt was lost")
"""


@pytest.mark.system
@pytest.mark.parametrize(("module", "command"), [("uvloop", "start"), ("json", "R")])
def test_an_interrupt_in_an_import_ends_the_command(tmp_path: Path, module: str, command: str) -> None:
    (tmp_path / f"{module}.py").write_text(STUB)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    words = [sys.executable, "-m", "rosin", command, *(["true"] if command == "start" else [])]
    ended = subprocess.run(words, env=env, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


@pytest.fixture
def signal_mask() -> Iterator[None]:
    """A broker leaves the signals of its process blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.usefixtures("signal_mask")
@pytest.mark.parametrize("early", [True, False])
async def test_an_interrupt_before_the_program_ends_the_instance(tmp_path: Path, early: bool) -> None:
    attrs = {"rundir": str(tmp_path / "run"), "log-stderr-level": "0"}
    instance = Life(BootOptions(["sh", "-c", f": >{tmp_path}/ran; exit 3"], attrs), None)
    instance.prepare()
    try:
        if early:
            instance.interrupted()
        code = await instance.run()
        assert code == (130 if early else 3)
        assert (tmp_path / "ran").exists() is not early
    finally:
        instance.clean_up()


SHOW = r"grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\t\n'"


@pytest.mark.system
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_programs_start_with_default_dispositions(tmp_path: Path) -> None:
    """The initial program, a job's task and a process of exec, below a shell that ignores what it can."""
    script = 'trap "" INT QUIT TERM USR1 TSTP; exec "$@"'
    inner = f"{SHOW}; echo; rosin run sh -c '{SHOW}; echo'; rosin exec sh -c '{SHOW}; echo'"
    inner = inner.replace("'^Sig(Blk|Ign)'", '"^Sig(Blk|Ign)"').replace(r"'\t\n'", r'"\t\n"')
    words = ["sh", "-c", script, "sh", sys.executable, "-m", "rosin", "start", "sh", "-c", inner]
    ended = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    masks = re.findall(r"^SigBlk:([0-9a-f]{16})SigIgn:([0-9a-f]{16})$", ended.stdout, re.MULTILINE)
    assert [(settable(blocked), settable(ignored)) for blocked, ignored in masks] == [(set(), set())] * 3


@pytest.mark.system
def test_a_command_that_cannot_run_ends_with_127_each_time() -> None:
    with RealInstance() as instance:
        many = instance.run("submit", "--cc=1-60", "--quiet", "--wait", "no-such-program")
        assert many.returncode == 127
        codes = instance.run("jobs", "-a", "--no-header", "-o", "{returncode}")
        assert set(codes.stdout.split()) == {"127"}
