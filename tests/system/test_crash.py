# SPDX-License-Identifier: LGPL-3.0-or-later
"""A broker that is killed while jobs are submitted and run (the long form is ``benchmarks/crash.py``)."""

from pathlib import Path

import pytest

from rosin.testing.crash import CrashTest

pytestmark = pytest.mark.system


def test_no_job_is_lost_or_run_twice(tmp_path: Path) -> None:
    crash = CrashTest(str(tmp_path))
    # At the first jobs, in the midst, and when all are submitted and some run.
    for jobs, kill_after in ((200, 1), (200, 120), (200, 200)):
        result = crash.round(jobs, kill_after)
        assert not result.problems
        assert len(result.returned) >= kill_after
        assert result.stored >= len(crash.ids)
