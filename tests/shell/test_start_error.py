# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is said of a program that cannot be run, and of options that do not exist."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rosin.process import refused
from rosin.rfc.idset import Idset
from rosin.shell.affinity import CpuOption, gpu_environment
from rosin.shell.errors import ShellError
from rosin.shell.task import start_error


def told(*argv: str, errnum: int = errno.ENOENT) -> str:
    task: Any = SimpleNamespace(rank=0, argv=list(argv), env={"PATH": os.defpath})
    return str(start_error(task, "host", OSError(errnum, "x")))


def test_missing_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sh").write_bytes(b"#!/no/such/sh\n")
    (tmp_path / "dos.sh").write_bytes(b"#!/bin/sh\r\ntrue\r\n")
    assert told("./a.sh").endswith("No such file or directory (its interpreter '/no/such/sh')")
    assert "CR LF" in told("./dos.sh")
    assert told("a.sh").endswith("(there is a file of that name here: ./a.sh)")
    assert "sh -c" in told("echo hi | wc")
    assert told("nosuch").endswith("nosuch: No such file or directory")


def test_an_interpreter_that_may_not_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sh").write_bytes(b"#!/etc/passwd -x\n")
    (tmp_path / "a.sh").chmod(0o755)
    assert told("./a.sh", errnum=errno.EACCES).endswith(
        "Permission denied (its interpreter '/etc/passwd -x')"
    )


def test_programs_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nx.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "nx.sh").chmod(0o644)
    executable = "Permission denied (it is not executable: chmod +x ./nx.sh)"
    assert told("./nx.sh", errnum=errno.EACCES).endswith(executable)
    assert told("/etc", errnum=errno.EACCES).endswith("/etc: Permission denied (it is a directory)")
    assert told("./none", errnum=errno.EACCES).endswith("./none: Permission denied")
    assert "#!/bin/sh" in told("./a", errnum=errno.ENOEXEC)
    (tmp_path / "sub").mkdir()
    assert (
        refused.why(errno.EACCES, ["../nx.sh"], {}, str(tmp_path / "sub"))
        == " (it is not executable: chmod +x ../nx.sh)"
    )
    assert refused.why(errno.ENOENT, ["nx.sh"], {}, str(tmp_path)).endswith("here: ./nx.sh)")
    assert refused.why(errno.EIO, ["nx.sh"], {}) == ""


def test_ways_to_bind() -> None:
    with pytest.raises(ShellError, match="cpu-affinity=bogus: expected off, on, per-task"):
        CpuOption("bogus")
    assert CpuOption("verbose,per-task").mode == "per-task"
    with pytest.raises(ShellError, match="gpu-affinity=bogus"):
        gpu_environment("bogus", Idset("0"), 1)
