# SPDX-License-Identifier: LGPL-3.0-or-later
"""Starts that cannot succeed: one clear line, the right exit code, nothing left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.handle import Flux
from rosin.testing.process import RealInstance, settable, wait_until_gone

pytestmark = pytest.mark.system

MARK = "ROSIN_TEST_START"


@pytest.fixture
def tmpdir(tmp_path: Path) -> Path:
    path = tmp_path / "tmp"
    path.mkdir()
    return path


def start(tmpdir: Path, *args: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Run ``rosin start`` to its end; nothing of it may be left."""
    extra = kwargs.pop("env", {})
    env = {**os.environ, "TMPDIR": str(tmpdir), MARK: str(tmpdir), **extra}  # type: ignore[dict-item]
    options: dict[str, object] = {"capture_output": True, "text": True, "timeout": 60, **kwargs}
    result = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-m", "rosin", "start", *args], env=env, **options
    )
    assert wait_until_gone(f"{MARK}={tmpdir}") == []
    assert os.listdir(tmpdir) == []
    return result  # type: ignore[no-any-return]


def fails(result: subprocess.CompletedProcess[str], text: str, code: int = 1) -> None:
    """Exactly one line, which contains ``text``."""
    assert result.returncode == code, result.stderr
    (line,) = result.stderr.splitlines()
    assert text in line


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-c", "{dir}/bad.toml"], "bad.toml: "),
        (["-c", "{dir}/missing"], "missing: No such file or directory"),
        (["-c", "{dir}/latin1.toml"], "latin1.toml: not UTF-8 text"),
        (["--conf", "access.allow-guest-user=5"], "access.allow-guest-user: expected true or false"),
        (["--conf", "access=5"], "access: expected a table"),
        (["--conf", "resource.noverify=5"], "resource.noverify: expected true or false"),
        (
            ["--conf", "job-manager.inactive-num-limit=x"],
            "job-manager.inactive-num-limit: expected an integer",
        ),
        (["--conf", "exec.job-shell=5"], "exec.job-shell: expected a string"),
        (["-S", "statedir=/proc/rosin"], "cannot create /proc/rosin"),
        (["-S", "statedir={dir}/bad.toml"], "bad.toml is not a directory"),
        (["-S", "local-uri=tcp://localhost"], "'tcp://localhost' is not local:// with an absolute path"),
        (["-S", "local-uri=local:///nonexistent/local"], "cannot listen on /nonexistent/local: No such file"),
        (["-S", "rank=5"], "rank: attribute may not be set on the command line"),
        (["-S", "nothing"], "nothing: unknown attribute"),
        (["-S", "content.hash=md5"], "unknown content.hash 'md5'"),
        (["-S", "content.backing-module=none"], "expected content-sqlite or content-files"),
        (["-S", "statedir={dir}/corrupt"], "corrupt/content.sqlite"),
        (["-S", "statedir={dir}/directory"], "directory/content.sqlite"),
    ],
)
def test_bad_start(tmp_path: Path, tmpdir: Path, options: list[str], text: str) -> None:
    (tmp_path / "bad.toml").write_text("a = [\n")
    (tmp_path / "latin1.toml").write_bytes(b'a = "\xe4"\n')
    (tmp_path / "corrupt").mkdir()
    (tmp_path / "corrupt" / "content.sqlite").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "directory" / "content.sqlite").mkdir(parents=True)
    fails(start(tmpdir, *(option.format(dir=tmp_path) for option in options), "true"), text)


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user's directory")
@pytest.mark.parametrize("name", ["statedir", "rundir"])
def test_directory_of_another_user(tmp_path: Path, tmpdir: Path, name: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    os.chown(other, 65534, 65534)
    fails(start(tmpdir, "-S", f"{name}={other}", "true"), f"{name} {other} belongs to another user")


@pytest.mark.parametrize("name", ["statedir", "rundir"])
def test_directory_in_use(tmp_path: Path, tmpdir: Path, name: str) -> None:
    path = tmp_path / "used"
    with RealInstance("-S", f"{name}={path}") as instance:
        fails(start(tmpdir, "-S", f"{name}={path}", "true"), f"{name} {path} is in use by another instance")
        with Flux(instance.uri) as h:
            assert h.rank == 0


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (["/nonexistent/program", "x"], 127, "cannot start /nonexistent/program: No such file or directory"),
        (["/etc/passwd", "x"], 126, "cannot start /etc/passwd: Permission denied"),
        (["sh", "-c", "exit 3"], 3, "Exited (rc=3)"),
        (["sh", "-c", "kill -9 $$"], 137, "Killed (rc=137)"),
    ],
)
def test_bad_program(tmpdir: Path, command: list[str], code: int, text: str) -> None:
    fails(start(tmpdir, *command), text, code)


def test_broken_shell_variable(tmpdir: Path) -> None:
    result = start(tmpdir, "true", env={"SHELL": "/nonexistent/sh"}, stdin=subprocess.DEVNULL)
    fails(result, "cannot start /nonexistent/sh (from the environment variable SHELL)", 127)


def test_empty_environment() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "rosin", "start", "/usr/bin/env"],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "FLUX_URI=local://" in result.stdout


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_descriptors(tmp_path: Path, tmpdir: Path, closed: tuple[int, ...]) -> None:
    redirections = " ".join(f"{fd}>&-" for fd in closed)
    script = f'"{sys.executable}" -m rosin start sh -c ": >{tmp_path}/ran" {redirections}'
    env = {**os.environ, "TMPDIR": str(tmpdir)}
    subprocess.run(["sh", "-c", script], env=env, timeout=60, check=True)
    assert (tmp_path / "ran").exists()
    assert os.listdir(tmpdir) == []


#: Moments of a start, by what the process has just written: modules as they are imported, then its log.
MOMENTS = (
    "",
    "site",
    "rosin.cli.entry",
    "rosin.process.zygote",
    "rosin.broker.boot",
    "orjson",
    "builtins-success: load-builtins->join",
    "rosin.modules.kvs.storage",
    "quorum-full: quorum->run",
    "rc2-success: run->cleanup",
    "goodbye: goodbye->unload-builtins",
)


def signalled_at(moment: str, signum: int, env: dict[str, str]) -> tuple[int, str]:
    """Start an instance and signal it when it has come so far; its exit code and what it had to say."""
    options = ["-X", "importtime", "-m", "rosin", "start", "-Slog-stderr-level=7", "sh", "-c", "exit 0"]
    with subprocess.Popen([sys.executable, *options], env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        errors = []
        waiting = bool(moment)
        if not waiting:
            process.send_signal(signum)
        for line in process.stderr:
            imported, said = line.startswith("import time:"), line
            if imported:
                said = line.rpartition("|")[2].strip()
            else:
                errors.append(line)
            if waiting and (said == moment if imported else moment in said):
                waiting = False
                process.send_signal(signum)
    assert not waiting
    return process.returncode, "".join(errors)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("moment", MOMENTS)
def test_signal_at_any_moment_of_the_start(tmp_path: Path, tmpdir: Path, signum: int, moment: str) -> None:
    """From the first instruction on: it ends, and leaves no process; only SIGKILL may leave a directory."""
    env = {**os.environ, "TMPDIR": str(tmpdir), MARK: str(tmp_path)}
    code, errors = signalled_at(moment, signum, env)
    # Python itself reports an interrupt of its own start, which lasts until the program's entry is there.
    if signum != signal.SIGINT or moment not in ("", "site"):
        assert "Traceback" not in errors
        # The program may have ended well just before it would have been hung up on.
        aborted = "aborted after exit with rc=0" in errors
        assert code in (0, 1 if aborted else 129, 128 + signum, -signum)
    assert wait_until_gone(f"{MARK}={tmp_path}") == []
    if signum != signal.SIGKILL:
        assert os.listdir(tmpdir) == []


@pytest.mark.parametrize("sink", ["/dev/full", "closed pipe"])
def test_standard_error_that_cannot_be_written(tmp_path: Path, tmpdir: Path, sink: str) -> None:
    """A log sink that fails never reaches its caller: program and jobs run as if nothing was the matter."""
    if sink == "closed pipe":
        reader, fd = os.pipe()
        os.close(reader)
    else:
        fd = os.open(sink, os.O_WRONLY)
    rosin = f'"{sys.executable}" -m rosin'
    command = ["sh", "-c", f"{rosin} run echo ran >{tmp_path}/ran; exit 4"]
    try:
        result = start(tmpdir, "-Slog-stderr-level=7", *command, capture_output=False, stderr=fd)
    finally:
        os.close(fd)
    assert result.returncode == 4
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_programs_get_default_dispositions(tmpdir: Path) -> None:
    """Whatever was ignored around the instance: its program, jobs and commands can be interrupted."""
    look = "grep -h -e SigIgn -e SigBlk /proc/self/status"
    rosin = f'"{sys.executable}" -m rosin'
    words = [
        sys.executable,
        "-m",
        "rosin",
        "start",
        "sh",
        "-c",
        f"{look}; {rosin} run {look}; {rosin} exec {look}",
    ]
    ignore = "trap '' INT HUP TERM USR1 USR2 ALRM QUIT WINCH; exec \"$@\""
    env = {**os.environ, "TMPDIR": str(tmpdir)}
    result = subprocess.run(
        ["sh", "-c", ignore, "sh", *words], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert [settable(line.split()[1]) for line in result.stdout.splitlines()] == [set()] * 6
