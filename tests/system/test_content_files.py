# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance whose content is in files: over restarts, clean and not, and in the error of another choice."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.handle import Flux
from rosin.job.submission import submit
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

FILES = "content.backing-module=content-files"


def test_jobs_survive_a_killed_broker_and_a_clean_end(tmp_path: Path) -> None:
    options = ("-S", f"statedir={tmp_path}", "-S", FILES)
    with RealInstance(*options) as instance:
        with Flux(instance.uri) as h:
            mods = [mod["name"] for mod in h.rpc("module.list").get()["mods"]]
            assert "content-files" in mods
            assert "content-sqlite" not in mods
            assert h.attr_get("content.backing-module") == "content-files"
            id = submit(h, from_command(["true"], environment={"PATH": os.environ["PATH"]}))
            h.rpc("job-manager.drain", {}).get()
        instance.process.send_signal(signal.SIGKILL)
        instance.process.wait(60)
    for _ in range(2):
        with RealInstance(*options) as instance, Flux(instance.uri) as h:
            job = h.rpc("job-list.list-id", {"id": id, "attrs": ["state"]}).get()["job"]
            assert job["state"] == 64
    files = tmp_path / "content.files"
    assert stat.S_IMODE(files.stat().st_mode) == 0o700
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(files)} == {0o600}
    assert not (tmp_path / "content.sqlite").exists()


def test_a_store_that_there_is_not() -> None:
    command = [sys.executable, "-m", "rosin", "start", "-Scontent.backing-module=content-s3", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    expected = "content.backing-module=content-s3: expected content-sqlite or content-files\n"
    assert done.stderr.endswith(expected)
    assert len(done.stderr.splitlines()) == 1
