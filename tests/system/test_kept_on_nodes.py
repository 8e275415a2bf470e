# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs on several nodes go on when one of their brokers is killed, or all are: real brokers in a chain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kept import WRITER, Tree, check_labelled

pytestmark = pytest.mark.system


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path, "abc")
    made.start()
    made.wait()
    yield made
    made.close()


def begin(tree: Tree, *options: str) -> str:
    job = tree.submit("-N3", "-n3", *options, sys.executable, "-c", WRITER, f"{tree.path}/end")
    for task in "012":
        assert (
            tree.run("job", "wait-event", "-W", "-p", "output", "-m", f"rank={task}", job, "data").returncode
            == 0
        )
    return job


def finish(tree: Tree, job: str) -> None:
    (tree.path / "end").touch()
    done = tree.run("job", "attach", "-l", job)
    assert done.returncode == 7, done.stderr
    check_labelled(done.stdout, 3)
    assert "exception" not in tree.run("job", "eventlog", job).stdout


@pytest.mark.parametrize("hosts", ["c", "b", "a", "abc"], ids=["leaf", "interior", "rank-0", "all"])
def test_brokers_are_killed(tree: Tree, hosts: str) -> None:
    job = begin(tree)
    tree.kill(*hosts)
    tree.start(*"abc"["abc".index(hosts[0]) :])
    tree.wait()
    finish(tree, job)
