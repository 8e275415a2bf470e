# SPDX-License-Identifier: LGPL-3.0-or-later
"""The fixtures that pytest finds where Rosin is installed, in a session of somebody else."""

import os
import subprocess
import sys

import pytest

from rosin.job import JobspecV1, submit

pytestmark = pytest.mark.system

_TESTS = """
import os
import subprocess

import pytest
from rosin.job import JobspecV1, JobList, result, submit

URIS = []


@pytest.fixture(scope="session")
def flux_options():
    return ("-s", "2")


def test_a_job(flux, flux_instance):
    URIS.append(flux_instance.uri)
    assert os.environ["FLUX_URI"] == flux_instance.uri
    assert flux.attr_get("size") == "2"
    job = submit(flux, JobspecV1.from_command(["true"]))
    assert result(flux, job).returncode == 0
    done = subprocess.run(["rosin", "run", "echo", "hello"], capture_output=True, text=True)
    assert done.stdout == "hello\\n"
    for _ in range(3):
        submit(flux, JobspecV1.from_command(["sleep", "600"]))


def test_nothing_is_left_of_another(flux, flux_instance):
    assert URIS == [flux_instance.uri]
    assert JobList(flux, filters=["pending", "running"]).jobs() == []
    assert len(JobList(flux, filters=["canceled"]).jobs()) == 3


def test_without():
    assert "FLUX_URI" not in os.environ
"""


def test_a_session_of_somebody_else(tmp_path):
    (tmp_path / "test_workflow.py").write_text(_TESTS)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("FLUX_", "PYTEST_"))}
    env["PATH"] = f"{os.path.dirname(sys.executable)}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_workflow.py"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_here(flux, flux_instance):
    """The same in this process."""
    assert (os.environ["FLUX_URI"], flux.attr_get("size")) == (flux_instance.uri, "1")
    submit(flux, JobspecV1.from_command(["sleep", "600"]))
