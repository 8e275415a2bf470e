# SPDX-License-Identifier: LGPL-3.0-or-later
"""The environment of an initial program."""

import os
import sys

import pytest

from rosin.broker import program


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A directory with the command ``rosin``, run from there by its path."""
    command = tmp_path / "bin" / "rosin"
    command.parent.mkdir()
    command.touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(command), "start"])
    return str(command.parent)


def test_own_commands_are_found(installed):
    assert program.search_path("/usr/bin:/bin") == f"/usr/bin:/bin:{installed}"


def test_path_with_own_directory_stays(installed):
    assert program.search_path(f"{installed}:/bin") == f"{installed}:/bin"


def test_module_run_finds_the_interpreters_directory(installed, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "rosin" / "__main__.py")])
    monkeypatch.setattr(sys, "executable", os.path.join(installed, "python"))
    assert program.search_path("/bin") == f"/bin:{installed}"


def test_not_installed_as_a_command(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "__main__.py")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert program.search_path("/bin") == "/bin"


def test_missing_path(installed, monkeypatch):
    monkeypatch.delenv("PATH")
    assert program.environment("local:///x")["PATH"] == f"{os.defpath}:{installed}"


def test_variables_of_an_enclosing_job_do_not_leak(monkeypatch):
    monkeypatch.setenv("FLUX_JOB_ID", "ƒ1")
    monkeypatch.setenv("PMI_RANK", "3")
    assert "FLUX_ENCLOSING_ID" not in program.environment("local:///x")
    env = program.environment("local:///x", "ƒ2")
    assert env["FLUX_ENCLOSING_ID"] == "ƒ2"
    assert "FLUX_JOB_ID" not in env
    assert "PMI_RANK" not in env
    assert env["FLUX_URI"] == "local:///x"
