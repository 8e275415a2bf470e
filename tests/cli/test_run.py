# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin run`` and ``job attach`` in a running instance: output, input, exit codes, what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system


def test_run(program):
    assert program("run", "echo", "hi") == (0, "hi\n", "")
    code, out, _ = program("run", "-n2", "-l", "echo", "a")
    assert (code, sorted(out.splitlines())) == (0, ["0: a", "1: a"])


def test_labels_of_lines_that_are_not_finished(real_instance):
    done = subprocess.run(
        [sys.executable, "-m", "rosin", "run", "-n2", "-l", "sh", "-c", "printf out; printf err >&2"],
        env={**os.environ, "FLUX_URI": real_instance.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    assert sorted(done.stdout.splitlines()) == ["0: err", "0: out", "1: err", "1: out"]


def test_watched_copies_that_do_not_finish_their_lines(program):
    assert program("submit", "--quiet", "--watch", "-n2", "printf", "x")[:2] == (0, "xx")
    code, out, _ = program("submit", "--quiet", "--watch", "-l", "-n2", "printf", "x")
    assert (code, out[-1]) == (0, "\n")
    assert sorted(line.partition(": ")[2] for line in out.splitlines()) == ["0: x", "1: x"]


@pytest.mark.parametrize("data", ["", "hi\n"])
def test_input_for_a_task_that_does_not_exist(program, data):
    text = "rosin-job: stdin: the job has no task 5 for input: expected some of 0-1\n"
    assert program("run", "-n2", "--input=5", "cat", input=data) == (1, "", text)
    assert program("run", "-n2", "-l", "--input=1", "cat", input="hi\n") == (0, "1: hi\n", "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("update", "1", "name=x"), "rosin-update: ERROR: ƒ2: unknown job id\n"),
        (("job", "info", "1", "R"), "rosin-job: 1: invalid job id\n"),
        (("job", "memo", "1", "a=b"), "rosin-job: memo: 1: unknown job id\n"),
    ],
)
def test_errors_name_the_job(program, words, text):
    assert program(*words) == (1, "", text)


def test_an_option_from_a_file_that_is_not_named(program):
    code, _, err = program("run", "-o", "^a", "true")
    text = (
        "--setopt=^a: a file is missing: it takes ^KEY=FILE with a file of JSON, as in --setopt=^a.b=c.json"
    )
    assert (code, err) == (1, f"rosin-run: ERROR: {text}\n")


def test_run_unbuffered(program):
    assert program("run", "-u", "printf", "x") == (0, "x", "")


@pytest.mark.parametrize(
    ("script", "code", "text"),
    [
        ("exit 3", 3, "rosin-job: task(s) exited with exit code 3\n"),
        ("kill -TERM $$", 143, "rosin-job: task(s) Terminated\n"),
    ],
)
def test_exit_codes_of_tasks(program, script, code, text):
    assert program("run", "sh", "-c", script) == (code, "", text)


def test_a_command_that_does_not_exist(program):
    code, out, err = program("run", "no-such-command")
    assert (code, out) == (127, "")
    assert "type=exec severity=0" in err
    assert "no-such-command: No such file or directory" in err


def test_failures_to_submit(program):
    assert program("run", "--urgency=99", "true") == (1, "", "rosin-run: ERROR: urgency range is [0:31]\n")
    assert program("submit", "--cc=x", "true") == (
        1,
        "",
        "rosin-submit: ERROR: --cc=x: idset: unexpected 'x' at column 1: "
        "it takes a set of ids, as in 0-3,7\n",
    )
    assert program("submit", "--bcc=3-1", "true")[2].startswith("rosin-submit: ERROR: --bcc=3-1: idset: ")
    code, out, err = program("submit", "--cc=1-2", "-q", "foo", "true")
    assert (code, out) == (1, "")
    assert [line[:6] for line in err.splitlines()] == ["cc=1: ", "cc=2: "]


def test_input(program):
    assert program("run", "cat", input="a\nb") == (0, "a\nb", "")
    code, out, _ = program("run", "-n2", "-l", "--input=1", "cat", input="x\n")
    assert (code, out) == (0, "1: x\n")
    assert program("run", "wc", "-c", input="x" * 3_000_000)[1].strip() == "3000000"


def start(instance, *command):
    return subprocess.Popen(
        [sys.executable, "-m", "rosin", *command],
        env={**os.environ, "FLUX_URI": instance.uri},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_interrupt_and_stop_detach(real_instance, program):
    process = start(real_instance, "run", "-v", "sh", "-c", "echo ready; sleep 300")
    jobid = process.stderr.readline().split()[1]
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.stderr.readline()
    process.send_signal(signal.SIGTSTP)
    _, err = process.communicate(timeout=60)
    assert err == f"rosin-job: detaching... To come back: rosin job attach {jobid}\n"
    assert program("jobs", "-no", "{status}", jobid)[1] == "RUN\n"
    assert program("cancel", jobid)[0] == 0


def test_attach_to_a_job_that_has_ended(program, submit):
    jobid = submit("--wait", "sh", "-c", "echo out; echo err >&2")
    assert program("job", "attach", jobid) == (0, "out\n", "err\n")
    assert program("job", "attach", "--tail=1", jobid) == (0, "", "err\n")
    code, _, err = program("job", "attach", "-EX", jobid)
    names = [line.split()[1] for line in err.splitlines() if "s: " in line]
    assert code == 0
    assert {"job.submit", "job.finish", "job.clean", "exec.shell.init", "exec.done"} <= set(names)
    assert program("job", "attach", "123")[::2] == (1, "rosin-job: Failed to attach to 123: No such job\n")


def test_a_command_without_a_name(program):
    code, _, err = program("run", "")
    assert code == 127
    assert "start failed: : No such file or directory" in err


def test_an_owner_in_the_guise_of_a_guest(real_instance, program, monkeypatch):
    monkeypatch.setitem(real_instance.env, "FLUX_HANDLE_ROLEMASK", "0x2")
    monkeypatch.setitem(real_instance.env, "FLUX_HANDLE_USERID", "65534")
    assert program("getattr", "rank") == (0, "0\n", "")
    assert program("setattr", "a", "b") == (1, "", "rosin-setattr: a: Request requires owner credentials\n")
    assert program("submit", "true")[2].startswith("rosin-submit: ERROR: signer=")
    monkeypatch.setitem(real_instance.env, "FLUX_HANDLE_ROLEMASK", "guest")
    code, _, err = program("getattr", "rank")
    assert code == 1
    assert "FLUX_HANDLE_ROLEMASK=guest must be numbers" in err
