# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker that is killed while jobs are submitted and run (the long form is ``benchmarks/crash.py``)."""

import random
from pathlib import Path

import pytest

from rosin.testing.crash import CrashTest

pytestmark = pytest.mark.system


@pytest.mark.parametrize("seed", range(2))
def test_a_broker_that_is_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    store = ("content-sqlite", "content-files")[seed % 2]
    crash = CrashTest(str(tmp_path), options=(f"-Scontent.backing-module={store}",))
    for _ in range(2):
        result = crash.round(100, rng.randint(1, 100), rng.uniform(0, 0.3))
        assert not result.problems
        assert result.stored >= len(crash.ids)


def test_no_job_is_lost_or_run_twice(tmp_path: Path) -> None:
    crash = CrashTest(str(tmp_path))
    # At the first jobs, in the midst, and when all are submitted and some run.
    for jobs, kill_after in ((200, 1), (200, 120), (200, 200)):
        result = crash.round(jobs, kill_after)
        assert not result.problems
        assert len(result.returned) >= kill_after
        assert result.stored >= len(crash.ids)


def test_jobs_go_on_when_a_broker_is_killed_at_any_moment(tmp_path: Path) -> None:
    """With a run directory that stays: each has run once, and ends as it would have."""
    (tmp_path / "run").mkdir()
    crash = CrashTest(str(tmp_path), real_every=3, options=(f"-Srundir={tmp_path}/run",))
    for jobs, kill_after in ((60, 10), (60, 60)):
        result = crash.round(jobs, kill_after, 0.1)
        assert not result.problems
        assert result.stored >= len(crash.ids)
