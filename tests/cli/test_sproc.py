# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin sproc: processes in the background, in a real instance."""

import re

import pytest


@pytest.fixture
def background(rosin):
    """Start processes in the background; returns the id of each. They are ended with the test."""
    started = []

    def run(*words, label=None, waitable=True):
        options = [*(["--waitable"] if waitable else []), *([f"--label={label}"] if label else [])]
        done = rosin("exec", "--bg", *options, *words)
        assert (done.code, done.err) == (0, "")
        pid = done.out.strip().partition(": ")[2]
        started.append(pid)
        return pid

    yield run
    for pid in started:
        rosin("sproc", "kill", "-w", "9", pid)


def test_a_list_of_them(rosin, background):
    pid = background("sleep", "inf", label="sproc-list")
    done = rosin("sproc", "ps")
    assert done.out.splitlines()[0] == "      PID ST LABEL        COMMAND"
    assert f"{pid:>9} R  sproc-list   sleep" in done.out.splitlines()
    done = rosin("sproc", "ps", "-n", "-r", "0", "-o", "{pid} {state} {label} {rank} {cmd}")
    assert f"{pid} R sproc-list 0 sleep" in done.out.splitlines()


def test_its_end_is_waited_for(rosin, background):
    background("sh", "-c", "echo out; echo err >&2; exit 3", label="sproc-wait")
    done = rosin("sproc", "wait", "-o", "sproc-wait")
    assert done == (3, "out\n", "err\n")
    gone = "rosin-sproc: ERROR: wait: No such process: label sproc-wait"
    assert rosin("sproc", "wait", "sproc-wait").err.startswith(gone)


def test_a_signal_and_the_end_by_it(rosin, background):
    pid = background("sleep", "inf")
    assert rosin("sproc", "kill", "-w", "TERM", pid) == (143, "", "")
    background("sleep", "inf", label="sproc-kill")
    assert rosin("sproc", "kill", "15", "sproc-kill") == (0, "", "")
    assert rosin("sproc", "wait", "sproc-kill") == (143, "", "")


def test_one_that_has_ended_is_collected_nevertheless(rosin, background):
    pid = background("sh", "-c", "exit 5")
    while f"{pid} Z" not in rosin("sproc", "ps", "-o", "{pid} {state}").out:
        pass
    done = rosin("sproc", "kill", "-w", "9", pid)
    assert done.code == 5
    assert re.fullmatch(r"rosin-sproc: ERROR: kill: No such process.*\n", done.err)


def test_who_is_not_waitable(rosin, background):
    pid = background("sleep", "inf", waitable=False)
    assert rosin("sproc", "wait", pid) == (
        1,
        "",
        "rosin-sproc: ERROR: wait: Invalid argument: process is not waitable\n",
    )


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("ps", "-r", "9"), 1, "rosin-sproc: ERROR: ps: No route to host"),
        (
            ("ps", "-s", "nosuch"),
            1,
            "rosin-sproc: ERROR: ps: Function not implemented: No service matching nosuch",
        ),
        (("ps", "-r", "x"), 2, "argument -r/--rank: invalid rank 'x': expected a number, as in 3"),
        (
            ("kill", "FOO", "1"),
            1,
            "rosin-sproc: ERROR: SIGNUM: 'FOO' is not a signal: expected a number or a name",
        ),
        (("kill", "9", "nobody"), 1, "rosin-sproc: ERROR: kill: No such process: label nobody"),
        (("wait", "4194304"), 1, "rosin-sproc: ERROR: wait: No such process: pid 4194304"),
        (("kill", "-w", "9", "nobody"), 1, "rosin-sproc: ERROR: kill: wait failed: No such process"),
    ],
)
def test_what_cannot_be(rosin, words, code, fault):
    done = rosin("sproc", *words)
    assert (done.code, done.out) == (code, "")
    assert fault in done.err
