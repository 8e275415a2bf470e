# SPDX-License-Identifier: LGPL-3.0-or-later
"""The front end: help of commands, programs that are commands, the instance around, usage errors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rosin.cli import front
from rosin.cli.main import COMMANDS


@pytest.fixture
def programs(tmp_path):
    """Make a program NAME that prints its name and arguments and exits with 3."""

    def make(name, directory="bin"):
        path = tmp_path / directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('#!/bin/sh\necho "${0##*/}" "$@"\nexit 3\n')
        path.chmod(0o755)
        return path

    return make


def rosin(*argv, front="rosin", **env):
    script = f"import sys; from rosin.cli.main import main; sys.exit(main(prog={front!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script, *argv],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [("run",), ("kvs", "get"), ("job", "attach"), ("help",)])
def test_help_of_a_command_is_its_own(command, words):
    assert command("help", *words) == command(*words, "--help")
    assert command("help", *words).code == 0


@pytest.mark.parametrize("variable", ["PATH", "FLUX_EXEC_PATH", "FLUX_EXEC_PATH_PREPEND"])
@pytest.mark.parametrize("name", ["rosin-hey", "flux-hey"])
def test_programs_are_commands(programs, variable, name):
    places = f"{os.environ['PATH']}:{programs(name).parent}"
    assert rosin("hey", "-x", "a b", **{variable: places}) == (3, f"{name} -x a b\n", "")
    assert rosin("help", "hey", **{variable: places})[1] == f"{name} --help\n"


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_verbose_prints_the_environment(option):
    code, out, err = rosin(option, "python", "--get-path", FLUX_URI="local:///nowhere")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert "FLUX_URI=local:///nowhere" in lines
    assert f"PYTHONPATH={lines[-1]}" in lines or f":{lines[-1]}" in out
    assert "search path" not in out
    assert rosin(option)[:2] == (1, rosin()[1])


def test_verbose_prints_where_a_program_is_looked_for(programs):
    program = programs("rosin-hey")
    code, out, err = rosin(
        "-v", "hey", "x", FLUX_EXEC_PATH=f"/nowhere:{program.parent}", FLUX_EXEC_PATH_PREPEND=""
    )
    assert code == 3
    assert out.splitlines()[-2].startswith(f"sub-command search path: /nowhere:{program.parent}:")
    assert out.splitlines()[-1] == "rosin-hey x"
    assert err == f"rosin: trying to exec /nowhere/rosin-hey\nrosin: trying to exec {program}\n"


def test_versions_of_python():
    version = f"python{sys.version_info.major}.{sys.version_info.minor}\n"
    assert rosin("python", "--list-versions") == (0, version, "")


def test_which_program_comes_first(programs, monkeypatch):
    monkeypatch.setenv("PATH", str(programs("flux-hey").parent))
    assert front.find("hey", "rosin") == str(programs("flux-hey"))
    own = str(programs("rosin-hey"))
    assert (front.find("hey", "rosin"), front.find("hey", "flux")) == (own, str(programs("flux-hey")))
    monkeypatch.setenv("FLUX_EXEC_PATH", str(programs("rosin-hey", "other").parent))
    assert front.find("hey", "rosin") == str(programs("rosin-hey", "other"))
    programs("rosin-hey", "other").chmod(0o644)
    assert front.find("hey", "rosin") == own
    assert front.find("nothing", "rosin") is None


@pytest.mark.parametrize("name", ["rosin-hey", "flux-hey"])
def test_programs_of_packages_are_found_whatever_the_path_is(programs, monkeypatch, name):
    """pip puts them beside the interpreter; one that a variable leads to comes first."""
    installed = programs(name, "environment")
    monkeypatch.setattr(sys, "executable", str(installed.parent / "python3"))
    monkeypatch.setenv("PATH", "/nonexistent")
    assert front.find("hey", "rosin") == str(installed)
    monkeypatch.setenv("PATH", str(programs(name, "other").parent))
    assert front.find("hey", "rosin") == str(programs(name, "other"))


def test_a_path_is_a_program(programs, tmp_path):
    path = programs("anything")
    assert rosin(str(path), "--help") == (3, "anything --help\n", "")
    assert rosin("/nonexistent/x") == (1, "", "rosin: ERROR: /nonexistent/x: No such file or directory\n")
    path.write_text("echo no interpreter\n")
    code, _, err = rosin(str(path))
    assert (code, err) == (
        1,
        f"rosin: ERROR: {path}: Exec format error: a script begins with #! and its interpreter\n",
    )


def test_what_is_not_here_is_told_from_what_is_mistyped(command):
    text = "rosin: 'slurm-expiration-sync' is a command of flux-core that Rosin does not have yet\n"
    assert command("slurm-expiration-sync").err == text
    assert command("cofnig").err.splitlines() == [
        "rosin: 'cofnig' is not a rosin command. See 'rosin --help'",
        "Did you mean: config?",
    ]
    assert command("mom").err.endswith("\nDid you mean: job, top?\n")
    assert command("jobz").err.endswith("\nDid you mean: job, jobs?\n")
    assert command("purge").err.endswith("\nDid you mean: job purge?\n")
    assert command("btach").err.endswith("\nDid you mean: batch?\n")
    assert "Did you mean" not in command("xyzzyx").err
    assert command("--nosuch") == (
        2,
        "",
        "rosin: unrecognized option '--nosuch'\nTry 'rosin --help' for more information.\n",
    )
    assert not front.NOT_HERE & set(COMMANDS)


INSTANCES = {
    "local://leaf": {"parent-uri": "local://middle", "parent-kvs-namespace": "job-1"},
    "local://middle": {"parent-uri": "local://top"},
    "local://top": {},
}


class _Attributes:
    """A broker's attributes by URI."""

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        pass

    def attr_get(self, name):
        try:
            return INSTANCES[os.environ["FLUX_URI"]][name]
        except KeyError:
            raise FileNotFoundError(2, name) from None


@pytest.mark.parametrize(
    ("options", "uri", "namespace"),
    [
        (["-p"], "local://middle", "job-1"),
        (["--parent", "-p"], "local://top", None),
        (["-p", "-p", "-p"], "local://top", None),
        (["-r"], "local://top", None),
        (["--root"], "local://top", None),
    ],
)
def test_parent_and_root(monkeypatch, options, uri, namespace):
    monkeypatch.setattr("rosin.cli.base.connect", _Attributes)
    monkeypatch.setenv("FLUX_URI", "local://leaf")
    monkeypatch.setenv("FLUX_KVS_NAMESPACE", "mine")
    assert front.options([*options, "getattr", "-p"], "rosin", COMMANDS) == ["getattr", "-p"]
    assert os.environ["FLUX_URI"] == uri
    assert os.environ.get("FLUX_KVS_NAMESPACE") == namespace


@pytest.mark.parametrize(
    ("words", "usage", "text"),
    [
        (("kvs",), "usage: rosin kvs [-h]", "missing subcommand"),
        (("resource",), "usage: rosin resource [-h]", "missing subcommand"),
        (("kvs", "namespace"), "usage: rosin kvs namespace [-h]", "missing subcommand"),
        (("config", "nosuch"), "usage: rosin config [-h]", "Unknown subcommand: nosuch"),
        (("module", "--x"), "usage: rosin module [-h]", "unrecognized option '--x'"),
        (("kvs", "get", "--x", "a"), "usage: rosin kvs get [-h]", "unrecognized option '--x'"),
        (
            ("kvs", "get", "--x=3"),
            "usage: rosin kvs get [-h]",
            "unrecognized option '--x'\nTry 'rosin kvs get --help'",
        ),
        (
            ("getattr", "-Z"),
            "usage: rosin getattr [-h]",
            "unrecognized option '-Z'\nTry 'rosin getattr --help'",
        ),
        (("getattr", "--", "--x", "y"), "usage: rosin getattr [-h]", "unexpected argument 'y'"),
        (("job", "wait-event", "--x"), "usage: rosin-job wait-event", "Try 'rosin job wait-event --help'"),
        (("module", "load"), "usage: rosin module load", "arguments are required: MODULE\n"),
        (("start", "--x", "true"), "usage: rosin start [-h]", "rosin-start: unrecognized option '--x'"),
        (("kvs", "namespace", "create", "a", "-x"), "usage: rosin kvs namespace create", "option '-x'"),
        (("resource", "list", "a"), "usage: rosin resource list", "unexpected argument 'a'"),
        (("queue", "stop", "--x"), "usage: rosin-queue stop", "unrecognized arguments: --x"),
        (("getattr",), "usage: rosin getattr", "required: NAME"),
        (("job",), "", "rosin-job: missing subcommand"),
        (("job", "nosuch"), "", "rosin-job: Unknown subcommand: nosuch"),
        (("exec",), "usage: rosin exec", "no command given"),
    ],
)
def test_usage_errors_end_with_2_and_print_the_usage_of_what_was_meant(command, words, usage, text):
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith(usage)
    assert text in err
