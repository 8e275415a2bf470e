# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where the control group of a process is, and the numbers in it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rosin.process import cgroup

LINES = "9:name=systemd:/user\n4:memory:/m\n0::/../../job/step\n"


def system(root: Path, mount: str | None, mark: str, lines: str = LINES) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    if mount is not None:
        (root / "sys/fs/cgroup" / mount).mkdir(parents=True)
        (root / "sys/fs/cgroup" / mount / mark).touch()


@pytest.mark.parametrize(
    ("mount", "mark", "path"),
    [
        ("", "cgroup.controllers", "sys/fs/cgroup/job/step"),
        ("unified", "cgroup.controllers", "sys/fs/cgroup/unified/job/step"),
        ("systemd", "cgroup.procs", "sys/fs/cgroup/systemd/user"),
    ],
)
def test_the_hierarchies(tmp_path: Path, mount: str, mark: str, path: str) -> None:
    system(tmp_path, mount, mark)
    assert Path(cgroup.own(str(tmp_path)).path) == tmp_path / path


@pytest.mark.parametrize(("mount", "lines"), [(None, LINES), ("", "9:name=systemd:/user\nnonsense\n")])
def test_no_hierarchy_that_can_be_used(tmp_path: Path, mount: str | None, lines: str) -> None:
    system(tmp_path, mount, "cgroup.controllers", lines)
    with pytest.raises(OSError, match="no control group") as error:
        cgroup.own(str(tmp_path))
    assert error.value.errno == errno.ENOENT


def test_a_system_without_any(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        cgroup.own(str(tmp_path))


def test_numbers(tmp_path: Path) -> None:
    (tmp_path / "memory.peak").write_text("4096\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.events").write_text("oom 1\noom_kill 3\noom_group_kill x\n")
    group = cgroup.Cgroup(str(tmp_path))
    assert [group.number(name) for name in ("memory.peak", "memory.max", "nosuch")] == [4096, None, None]
    counts = [group.count("memory.events", key) for key in ("oom_kill", "oom", "oom_group_kill", "x")]
    assert counts == [3, 1, None, None]
    assert group.has("memory.peak", "memory.max")
    assert not group.has("memory.peak", "nosuch")
