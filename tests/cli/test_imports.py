# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands start fast because they import little."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = {
    "asyncio",
    "dataclasses",
    "pydantic",
    "yaml",
    "orjson",
    "inspect",
    "logging",
    "subprocess",
    "email",
    "urllib.parse",
}
NAMES = [
    "run",
    "submit",
    "bulksubmit",
    "jobs",
    "cancel",
    "pgrep",
    "update",
    "watch",
    "queue",
    "job",
    "job.attach",
    "job.events",
    "job.control",
    "job.listing",
    "job.info",
    "job.status",
    "job.wait",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_slow_modules(name):
    script = (
        f"import sys, rosin.cli.main, rosin.cli.{name}, rosin.handle.flux, rosin.job.submission;"
        f"print(*sorted(set(sys.modules) & {SLOW!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
