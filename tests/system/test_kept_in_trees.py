# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs on a broker below rank 0 go on when that one is killed, or all are: real brokers, as configured."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kept import WRITER, Tree, check_output

pytestmark = pytest.mark.system


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path, "ab")
    made.start()
    made.wait()
    yield made
    made.close()


def begin(pair: Tree, end: Path) -> str:
    job = pair.submit("--requires=host:b", sys.executable, "-c", WRITER, str(end))
    assert pair.run("job", "wait-event", "-W", "-p", "output", job, "data").returncode == 0
    return job


def finish(pair: Tree, job: str, end: Path) -> None:
    end.touch()
    done = pair.run("job", "attach", job)
    assert done.returncode == 7, done.stderr
    check_output(done.stdout)


def test_a_leaf_is_killed(pair: Tree, tmp_path: Path) -> None:
    end = tmp_path / "end"
    job = begin(pair, end)
    pair.kill("b")
    assert pair.run("job", "wait-event", "-t60", job, "start").returncode == 0
    pair.start("b")
    pair.wait()
    finish(pair, job, end)


def test_all_are_killed(pair: Tree, tmp_path: Path) -> None:
    end = tmp_path / "end"
    job = begin(pair, end)
    pair.kill("a", "b")
    pair.start()
    pair.wait()
    finish(pair, job, end)


def test_rank_0_is_killed_and_the_leaf_follows(pair: Tree, tmp_path: Path) -> None:
    """It ends when its parent has gone, and leaves the job."""
    end = tmp_path / "end"
    job = begin(pair, end)
    pair.kill("a")
    pair.start()
    pair.wait()
    finish(pair, job, end)


def test_a_leaf_that_comes_back_without_the_shell(pair: Tree, tmp_path: Path) -> None:
    job = begin(pair, tmp_path / "never")
    pair.kill("b")
    kept = tmp_path / "b/kept-1"
    (zygote,) = (int(file.name) for file in kept.iterdir())
    os.kill(zygote, 9)
    pair.start("b")
    done = pair.run("job", "attach", job)
    assert "lost contact with job shell on broker restart" in done.stderr
