# SPDX-License-Identifier: LGPL-3.0-or-later
"""What shells of two nodes do together, with real brokers: archives, programs beside the tasks, debuggers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def pair() -> Iterator[RealInstance]:
    with RealInstance("-s2") as instance:
        yield instance


def run(pair: RealInstance, *words: str) -> str:
    """The standard output of a job on both nodes, which does not fail and has nothing to say else."""
    done = pair.run("run", "-N2", "-n2", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_an_archive_is_extracted_on_each(pair: RealInstance, tmp_path: Path) -> None:
    """To places of their own, and to one that both write at the same time."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "large").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to("d/large")
    assert pair.run("archive", "create", "-C", str(tmp_path), "d", "link").returncode == 0
    show = 'echo $(wc -c <"$FLUX_JOB_TMPDIR/link")'
    assert run(pair, "-o", "stage-in", "sh", "-c", show) == "100000\n" * 2
    shared = tmp_path / "shared"
    shared.mkdir()
    run(pair, "-o", f"stage-in.destination={shared}", "true")
    assert sorted(path.name for path in shared.rglob("*")) == ["d", "large", "link"]


def test_one_writes_what_programs_beside_both_write(pair: RealInstance, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = json.dumps({"both": {"command": ["sh", "-c", "echo {{node.id}}"], "output": str(out)}})
    wait = f"until grep -qs 0 {out} && grep -qs 1 {out}; do sleep 0.05; done"
    run(pair, "-o", f"coprocess={program}", "sh", "-c", wait)
    assert sorted(out.read_text().split()) == ["0", "1"]


def test_where_tasks_that_wait_are(pair: RealInstance) -> None:
    submitted = pair.run("submit", "-N2", "-n2", "-o", "stop-tasks-in-exec", "echo", "on")
    done = pair.run("job", "attach", "--debug", submitted.stdout.strip())
    assert (done.returncode, done.stdout) == (0, "on\n" * 2)
    assert re.findall(r"task (\d): \S+:\d+ echo\n", done.stderr) == ["0", "1"]
