# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin start: its options, and what they do."""

import os
import re
import subprocess
import sys

import pytest

from rosin.cli.start.options import arguments, parser
from rosin.cli.start.settings import of_start


def test_recovery_does_not_take_the_command_for_its_target(command):
    result = command("start", "-v", "-S", "test.a=b", "--recovery", "sh", "-c", "true")
    assert (result.code, result.out) == (1, "")
    assert result.err == "rosin-start: ERROR: --recovery needs the state directory: --recovery=PATH\n"
    assert command("start", "--recovery=/none", "true").err == (
        "rosin-start: ERROR: --recovery: /none: No such file or directory; "
        "expected a state directory, or a dump of 'rosin dump'\n"
    )
    assert (
        "/dev/null is not a directory" in command("start", "-Sstatedir=/dev/null", "--recovery", "true").err
    )


def test_the_words_of_the_command_are_its_own():
    for words in (["-v", "echo", "--recovery", "-r"], ["-v", "--", "echo", "--recovery", "-r"]):
        assert arguments(parser("rosin-start"), words).command == ["echo", "--recovery", "-r"]


@pytest.mark.system
@pytest.mark.parametrize("option", ["--recovery={}", "-r{}", "-Sstatedir={} --recovery"])
def test_recovery_leaves_queues_stopped(tmp_path, option):
    words = option.format(tmp_path).split()
    argv = [sys.executable, "-m", "rosin", "start", *words, sys.executable, "-m", "rosin", "queue", "status"]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "Scheduling is stopped" in result.stdout


def test_how_it_is_looked_at(tmp_path, monkeypatch):
    """A dump is named by a path that holds in any directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump").touch()
    attrs = of_start(arguments(parser("rosin-start"), ["--recovery=dump", "-Sbroker.quorum=2"])).attrs
    assert attrs == {
        "content.restore": f"{tmp_path}/dump",
        "broker.recovery-mode": "1",
        "broker.quorum": "2",
        "broker.module-nopanic": "1",
        "log-stderr-level": "5",
    }
    given = ["--recovery=.", "-Slog-stderr-level=3"]
    attrs = of_start(arguments(parser("rosin-start"), given)).attrs
    assert (attrs["statedir"], attrs["log-stderr-level"]) == (".", "3")


@pytest.mark.system
@pytest.mark.parametrize("options", [(), ("-s2",)])
def test_recovery_of_a_dump(tmp_path, options):
    """Jobs and data of another instance, in a directory that goes; the dump is left as it is."""
    rosin = [sys.executable, "-m", "rosin"]

    def start(*words, script):
        argv = [*rosin, "start", *words, "sh", "-ec", script.replace("rosin ", " ".join((*rosin, "")))]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)

    done = start(script="rosin kvs put a=1; rosin run echo old; rosin dump --quiet dump.tgz")
    assert done.returncode == 0, done.stderr
    before = (tmp_path / "dump.tgz").read_bytes()
    script = "rosin kvs get a; rosin jobs -anc1 -o {status}; "
    script += "rosin job attach $(rosin job last); rosin queue status"
    done = start(*options, "--recovery=dump.tgz", script=script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1\nCOMPLETED\nold\n")
    assert "Scheduling is stopped" in done.stdout
    assert (tmp_path / "dump.tgz").read_bytes() == before
    (tmp_path / "dump.tgz").write_bytes(b"no archive")
    done = start(*options, "--recovery=dump.tgz", script="echo shell")
    assert done.stdout == "shell\n"  # one looks, whatever there is
    assert "dump.tgz" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("--test-hosts=a true", "--test-hosts only works with --test-size"),
        ("--test-exit-mode=any true", "--test-exit-mode only works with --test-size"),
        ("--test-rundir-cleanup true", "--test-rundir-cleanup only works with --test-size"),
        ("-s 0 true", "--test-size argument must be > 0, not 0"),
        ("-s 1 --test-exit-mode=one true", "unknown --test-exit-mode: one: expected any or leader"),
        ("-s 1 --test-start-mode=any true", "unknown --test-start-mode: any: expected all or leader"),
        ("-s 2 --test-hosts=a true", "--test-hosts hostlist has incorrect size: 1 hosts for 2 brokers"),
        ("-s 2 --test-hosts=a[ true", "could not decode --test-hosts hostlist: "),
        ("-s 2 --test-pmi-clique=x true", "--test-pmi-clique: taskmap: "),
        (
            "-s 2 --test-rundir=/none true",
            "--test-rundir: /none: No such file or directory: name a directory that exists",
        ),
        ("--verbose=x true", "--verbose: 'x' is not a level; example: --verbose=2"),
        ("-o,-Stest.a=b,c true", "--broker-opts: 'c' is not an option; example: -o,-SATTR=VAL,-v"),
    ],
)
def test_faults_of_options_are_told_in_one_line(command, options, error):
    result = command("start", *options.split())
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"rosin-start: ERROR: {error}")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("option", ["-s x", "-s 1 --test-exit-timeout=soon", "-o,--noexec"])
def test_values_of_a_wrong_type_are_usage_errors(command, option):
    assert command("start", *option.split(), "true").code == 2


def shown(command, *options):
    """What would be executed, without the path of the command."""
    result = command("start", "-X", *options)
    assert (result.code, result.err) == (0, "")
    return [
        re.sub(r"\S*(bin/rosin|python\S* -m rosin) broker", "BROKER", line)
        for line in result.out.splitlines()
    ]


def test_the_command_line_of_one_broker_is_shown(command):
    words = ("-Stest.a=b", "-c/", "--conf=x.y=1", "--wrap=strace,-f", "--", "-x", "y")
    (line,) = shown(command, "-v", "-S", "config.path=/", *words)
    assert line == "strace -f BROKER -Sconfig.path=/ -Stest.a=b -Slog-stderr-level=6 -c/ --conf=x.y=1 -- -x y"


def test_the_command_lines_of_several_brokers_are_shown(command, tmp_path):
    words = (f"--test-rundir={tmp_path}", "--test-hosts=fake[0-1]", "-o,-v,-Stest.a=b", "-v", "true")
    assert shown(command, "-s2", *words) == [
        f"0: BROKER -Stest.a=b -Slog-stderr-level=6 -Srundir={tmp_path} -Shostname=fake0 true",
        f"1: BROKER -Stest.a=b -Slog-stderr-level=6 -Srundir={tmp_path} -Shostname=fake1",
    ]


def start(*words, **keywords):
    argv = [sys.executable, "-m", "rosin", "start", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, **keywords)


@pytest.mark.system
@pytest.mark.parametrize("options", [(), ("-s1",), ("-s1", "--wrap=env,A=1"), ("--wrap=env,A=1",)])
def test_an_instance_of_one_broker_runs_a_program_and_has_its_exit_code(options, tmp_path):
    result = start(
        *options, "sh", "-c", "rosin getattr size; exit 3", env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert (result.returncode, result.stdout) == (3, "1\n"), result.stderr
    told = re.sub(r"pid \d+", "pid", result.stderr).splitlines()[1:]
    assert told == (["rosin-start: 0 (pid) exited with rc=3"] if "-s1" in options else [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.system
def test_what_is_executed_and_said_is_shown_on_demand(tmp_path):
    result = start(
        "-s1", "--test-pmi-clique=none", "-vv", "--wrap=sh,-c,exit\\ 5".replace("\\ ", " "), "true"
    )
    assert result.returncode == 5
    first = result.stderr.splitlines()[0]
    assert re.fullmatch(r"rosin-start: 0: sh -c exit 5 \S+ broker -Srundir=\S+ true", first)


@pytest.mark.system
def test_a_wrapper_that_does_not_exist_is_named(tmp_path):
    result = start("-s1", "--wrap=/none", "true")
    assert result.returncode == 1
    assert "--wrap: /none: No such file or directory" in result.stderr


@pytest.mark.system
def test_a_rundir_is_kept_and_cleaned_up_on_demand(tmp_path):
    for options, left in (((), True), (("--test-rundir-cleanup",), False)):
        result = start(
            "-s1", f"--test-rundir={tmp_path / 'run'}", *options, "sh", "-c", "echo $FLUX_START_URI"
        )
        assert result.returncode == 1  # it does not exist
        (tmp_path / "run").mkdir(0o700)
        result = start(
            "-s1", f"--test-rundir={tmp_path / 'run'}", *options, "sh", "-c", "echo $FLUX_START_URI"
        )
        assert (result.returncode, result.stdout) == (0, f"local://{tmp_path}/run/start\n"), result.stderr
        assert (tmp_path / "run").exists() is left
        if left:
            (tmp_path / "run").rmdir()


LEAVING = """
import atexit, os, sys, threading

def at_exit():
    print("at exit")
    os._exit = lambda code: print("leaves with", code)

atexit.register(at_exit)
if sys.argv[1:] == ["thread"]:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if sys.argv[1:] == ["profiler"]:
    sys.setprofile(lambda *_: None)
from rosin.cli.entry import main
sys.exit(main(["start", "sh", "-c", "echo program; exit 3"]))
"""


@pytest.mark.system
@pytest.mark.parametrize(
    ("words", "end"),
    [([], "at exit\nleaves with 3\n"), (["thread"], "at exit\n"), (["profiler"], "at exit\n")],
)
def test_a_broker_leaves_at_once(words, end):
    argv = [sys.executable, "-c", LEAVING, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, f"program\n{end}")
