# SPDX-License-Identifier: LGPL-3.0-or-later
"""What broker attributes do to a real instance."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system
ROSIN = (sys.executable, "-m", "rosin")
EMPTY = ("-Sbroker.rc1_path=", "-Sbroker.rc3_path=")


def start(*argv: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*ROSIN, "start", *argv],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_rc1_that_fails_ends_the_start() -> None:
    result = start("-Sbroker.rc1_path=echo why >&2; exit 3", "sleep", "3600")
    assert result.returncode == 3
    assert "rc1.0: why" in result.stderr
    assert "Exited (rc=3)" in result.stderr
    result = start("-Sbroker.rc1_path=false", "-Sbroker.exit-norestart=99", "echo", "ran")
    assert (result.returncode, result.stdout) == (99, "")


def test_rc3_that_fails_is_the_exit_code_of_a_good_end() -> None:
    assert start("-Sbroker.rc1_path=", "-Sbroker.rc3_path=exit 5", "true").returncode == 5
    assert start("-Sbroker.rc1_path=", "-Sbroker.rc3_path=exit 5", "exit 4").returncode == 4


def test_without_rc1_there_are_the_built_in_modules() -> None:
    result = start(*EMPTY, *ROSIN, "module", "list")
    words = sorted(line.split()[0] for line in result.stdout.splitlines()[1:])
    assert words == ["config", "connector-local", "groups", "overlay", "rexec"]


def test_a_program_as_rc1_reaches_the_instance() -> None:
    command = " ".join((*ROSIN, "module", "load", "content"))
    result = start(f"-Sbroker.rc1_path={command}", "-Sbroker.rc3_path=", *ROSIN, "module", "list")
    assert "\ncontent " in result.stdout


def test_recovery_goes_on_without_rc1(tmp_path: Path) -> None:
    argv = ("-Sbroker.rc1_path=false", "-Sbroker.rc3_path=", f"--recovery={tmp_path}", "echo", "ran")
    assert start(*argv).stdout == "ran\n"
    argv = ("-Sbroker.rc1_path=false", "-Sbroker.rc3_path=", "-Sbroker.recovery-mode=1", "echo", "ran")
    assert start(*argv).stdout == "ran\n"


def test_the_log_file(tmp_path: Path) -> None:
    assert start(*EMPTY, f"-Slog-filename={tmp_path}/log", "true").returncode == 0
    assert "broker.info[0]: rc2.0: true Exited" in (tmp_path / "log").read_text()
    result = start(*EMPTY, "-Slog-filename=/none/log", "true")
    assert result.stderr == "rosin-start: ERROR: log-filename=/none/log: No such file or directory\n"


def test_values_from_the_configuration_and_old_names() -> None:
    get = (*ROSIN, "getattr")
    assert start(*EMPTY, "--conf=tbon.torpid_max=7s", *get, "tbon.torpid_max").stdout == "7s\n"
    json = '--conf={"tbon":{"torpid_max":"8s"}}'
    assert start(*EMPTY, json, *get, "tbon.torpid_max").stdout == "8s\n"
    assert start(*EMPTY, json, "-Stbon.torpid_max=9s", *get, "tbon.torpid_max").stdout == "9s\n"
    assert start(*EMPTY, "-Stbon.fanout=4", *get, "tbon.topo").stdout == "kary:4\n"
    assert start(*EMPTY, "-Stest.a", *get, "test.a").stdout == "\n"


def test_broker_options_and_wrapper() -> None:
    assert start(*EMPTY, "-o,-Stest.a=5", *ROSIN, "getattr", "test.a").stdout == "5\n"
    assert "'x' is not an option" in start("-o", "x", "true").stderr
    assert start(*EMPTY, "--wrap=env,A=b", "sh", "-c", "echo $A").stdout == "b\n"
    assert "--wrap: /none/env: No such file" in start("--wrap=/none/env", "true").stderr


def test_no_command_needs_a_terminal() -> None:
    result = start()
    assert result.returncode == 1
    assert "stdin is not a tty - can't run interactive shell" in result.stderr


def test_no_initial_program() -> None:
    process = subprocess.Popen(
        [*ROSIN, "start", *EMPTY, "-Sbroker.rc2_none", "-Sbroker.sd-notify=1"],
        env={**os.environ, "NOTIFY_SOCKET": f"@rosin-test-{os.getpid()}"},
        stdin=subprocess.DEVNULL,
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0rosin-test-{os.getpid()}")
        assert sock.recv(100) == b"READY=1"
        process.send_signal(signal.SIGTERM)
        assert sock.recv(100) == b"STOPPING=1"
    assert process.wait(30) == 0


def test_existing_directories_stay_empty_ones(tmp_path: Path) -> None:
    run, state = tmp_path / "run", tmp_path / "state"
    run.mkdir()
    state.mkdir()
    assert start(f"-Srundir={run}", f"-Sstatedir={state}", *ROSIN, "run", "true").returncode == 0
    assert names(run) == []
    assert "content.sqlite" in names(state)


def test_new_directories_and_cleanup(tmp_path: Path) -> None:
    for name, cleanup in (("rundir", "rundir-cleanup"), ("statedir", "statedir-cleanup")):
        path = tmp_path / name
        assert start(f"-S{name}={path}", "test", "-d", str(path)).returncode == 0
        assert not path.exists()
        assert start(f"-S{name}={path}", f"-S{cleanup}=0", "true").returncode == 0
        assert path.is_dir()
        assert start(f"-S{name}={path}", f"-S{cleanup}=1", "true").returncode == 0
        assert not path.exists()


def test_a_directory_for_all_gets_one_of_its_own(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    result = start(f"-Srundir={tmp_path}", *EMPTY, *ROSIN, "getattr", "rundir")
    assert result.stdout.startswith(f"{tmp_path}/flux-")
    assert names(tmp_path) == []


def test_directories_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ro").mkdir(mode=0o500)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name in ("rundir", "statedir"):
        assert "not writable by its owner" in start(f"-S{name}={tmp_path}/ro", "true").stderr
        assert "can be written by everybody" in start(f"-S{name}={tmp_path}/open", "true").stderr
    result = start("true", TMPDIR="/noexist")
    assert result.returncode == 1
    assert "cannot create a directory in /noexist: No such file or directory; TMPDIR=" in result.stderr


def test_a_directory_in_use_is_not_removed_by_a_second_start(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with RealInstance(f"-Sstatedir={tmp_path}/state"):
        result = start(f"-Sstatedir={tmp_path}/state", "-Sstatedir-cleanup=1", "true")
        assert "in use by another instance" in result.stderr
        assert (tmp_path / "state" / "content.sqlite").exists()


def test_an_unknown_table_is_named_and_a_misspelt_one_refused() -> None:
    result = start(*EMPTY, "--conf=rabbits.x=1", "true")
    assert result.returncode == 0
    assert result.stderr.startswith(
        "rosin-start: WARNING: [rabbits]: no part of this broker reads this table"
    )
    result = start(*EMPTY, "--conf=[polcy.limits]", "true")
    assert (result.returncode, result.stderr) == (
        1,
        "rosin-start: ERROR: polcy: unknown table; did you mean policy?\n",
    )
