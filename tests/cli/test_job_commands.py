# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job commands in a running instance."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system


@pytest.fixture
def rosin(real_instance):
    """Run a command; returns (exit code, standard output, standard error)."""

    def run(*command, **kwargs):
        done = real_instance.run(*command, **kwargs)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def submit(rosin):
    def run(*command):
        code, out, err = rosin("submit", *command)
        assert (code, err) == (0, "")
        return out.strip()

    return run


def test_run(rosin):
    assert rosin("run", "echo", "hi") == (0, "hi\n", "")
    code, out, _ = rosin("run", "-n2", "-l", "echo", "a")
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


def test_watched_copies_that_do_not_finish_their_lines(rosin):
    assert rosin("submit", "--quiet", "--watch", "-n2", "printf", "x")[:2] == (0, "xx")
    code, out, _ = rosin("submit", "--quiet", "--watch", "-l", "-n2", "printf", "x")
    assert (code, out[-1]) == (0, "\n")
    assert sorted(line.partition(": ")[2] for line in out.splitlines()) == ["0: x", "1: x"]


@pytest.mark.parametrize("data", ["", "hi\n"])
def test_input_for_a_task_that_does_not_exist(rosin, data):
    text = "rosin-job: stdin: the job has no task 5 for input: expected some of 0-1\n"
    assert rosin("run", "-n2", "--input=5", "cat", input=data) == (1, "", text)
    assert rosin("run", "-n2", "-l", "--input=1", "cat", input="hi\n") == (0, "1: hi\n", "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("update", "1", "name=x"), "rosin-update: ERROR: ƒ2: unknown job id\n"),
        (("job", "info", "1", "R"), "rosin-job: 1: invalid job id\n"),
        (("job", "memo", "1", "a=b"), "rosin-job: memo: 1: unknown job id\n"),
    ],
)
def test_errors_name_the_job(rosin, words, text):
    assert rosin(*words) == (1, "", text)


def test_an_option_from_a_file_that_is_not_named(rosin):
    code, _, err = rosin("run", "-o", "^a", "true")
    text = (
        "--setopt=^a: a file is missing: it takes ^KEY=FILE with a file of JSON, as in --setopt=^a.b=c.json"
    )
    assert (code, err) == (1, f"rosin-run: ERROR: {text}\n")


def test_run_unbuffered(rosin):
    assert rosin("run", "-u", "printf", "x") == (0, "x", "")


@pytest.mark.parametrize(
    ("script", "code", "text"),
    [
        ("exit 3", 3, "rosin-job: task(s) exited with exit code 3\n"),
        ("kill -TERM $$", 143, "rosin-job: task(s) Terminated\n"),
    ],
)
def test_exit_codes_of_tasks(rosin, script, code, text):
    assert rosin("run", "sh", "-c", script) == (code, "", text)


def test_a_command_that_does_not_exist(rosin):
    code, out, err = rosin("run", "no-such-command")
    assert (code, out) == (127, "")
    assert "type=exec severity=0" in err
    assert "no-such-command: No such file or directory" in err


def test_failures_to_submit(rosin):
    assert rosin("run", "--urgency=99", "true") == (1, "", "rosin-run: ERROR: urgency range is [0:31]\n")
    assert rosin("submit", "--cc=x", "true") == (
        1,
        "",
        "rosin-submit: ERROR: --cc=x: idset: unexpected 'x' at column 1: "
        "it takes a set of ids, as in 0-3,7\n",
    )
    assert rosin("submit", "--bcc=3-1", "true")[2].startswith("rosin-submit: ERROR: --bcc=3-1: idset: ")
    code, out, err = rosin("submit", "--cc=1-2", "-q", "foo", "true")
    assert (code, out) == (1, "")
    assert [line[:6] for line in err.splitlines()] == ["cc=1: ", "cc=2: "]


def test_input(rosin):
    assert rosin("run", "cat", input="a\nb") == (0, "a\nb", "")
    code, out, _ = rosin("run", "-n2", "-l", "--input=1", "cat", input="x\n")
    assert (code, out) == (0, "1: x\n")
    assert rosin("run", "wc", "-c", input="x" * 3_000_000)[1].strip() == "3000000"


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


def test_interrupt_and_stop_detach(real_instance, rosin):
    process = start(real_instance, "run", "-v", "sh", "-c", "echo ready; sleep 300")
    jobid = process.stderr.readline().split()[1]
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.stderr.readline()
    process.send_signal(signal.SIGTSTP)
    _, err = process.communicate(timeout=60)
    assert err == f"rosin-job: detaching... To come back: rosin job attach {jobid}\n"
    assert rosin("jobs", "-no", "{status}", jobid)[1] == "RUN\n"
    assert rosin("cancel", jobid)[0] == 0


def test_attach_to_a_job_that_has_ended(rosin, submit):
    jobid = submit("--wait", "sh", "-c", "echo out; echo err >&2")
    assert rosin("job", "attach", jobid) == (0, "out\n", "err\n")
    assert rosin("job", "attach", "--tail=1", jobid) == (0, "", "err\n")
    code, _, err = rosin("job", "attach", "-EX", jobid)
    names = [line.split()[1] for line in err.splitlines() if "s: " in line]
    assert code == 0
    assert {"job.submit", "job.finish", "job.clean", "exec.shell.init", "exec.done"} <= set(names)
    assert rosin("job", "attach", "123")[::2] == (1, "rosin-job: Failed to attach to 123: No such job\n")


def test_a_command_without_a_name(rosin):
    code, _, err = rosin("run", "")
    assert code == 127
    assert "start failed: : No such file or directory" in err


def test_an_owner_in_the_guise_of_a_guest(real_instance, rosin, monkeypatch):
    monkeypatch.setitem(real_instance.env, "FLUX_HANDLE_ROLEMASK", "0x2")
    monkeypatch.setitem(real_instance.env, "FLUX_HANDLE_USERID", "65534")
    assert rosin("getattr", "rank") == (0, "0\n", "")
    assert rosin("setattr", "a", "b") == (1, "", "rosin-setattr: a: Request requires owner credentials\n")
    assert rosin("submit", "true")[2].startswith("rosin-submit: ERROR: signer=")
    monkeypatch.setitem(real_instance.env, "FLUX_HANDLE_ROLEMASK", "guest")
    code, _, err = rosin("getattr", "rank")
    assert code == 1
    assert "FLUX_HANDLE_ROLEMASK=guest must be numbers" in err


def test_submit_and_wait(rosin):
    code, out, err = rosin("submit", "--cc=0-3", "--wait", "sh", "-c", "exit $FLUX_JOB_CC")
    assert (code, len(out.splitlines()), err) == (3, 4, "")


def test_many_copies_are_waited_for_through_the_journal(rosin):
    code, out, _ = rosin("submit", "--cc=0-19", "--wait", "sh", "-c", "exit $FLUX_JOB_CC")
    assert (code, len(out.splitlines())) == (19, 20)


def test_watch_output_of_copies(rosin):
    code, out, err = rosin("submit", "--quiet", "--cc=1-3", "--watch", "echo", "{cc}")
    assert (code, sorted(out.splitlines()), err) == (0, ["1", "2", "3"], "")


def test_log_files(rosin, tmp_path):
    log = f"{tmp_path}/out"
    code, out, _ = rosin("submit", "--bcc=1-2", f"--log={log}{{cc}}", "--watch", "echo", "hi{cc}")
    assert (code, out) == (0, "")
    assert (tmp_path / "out2").read_text().splitlines()[1:] == ["hi2"]


def test_events_of_watched_jobs(rosin):
    code, out, err = rosin("submit", "--wait", "-vv", "false")
    jobid = out.strip()
    names = [line.split()[2] for line in err.splitlines()]
    assert code == 1
    assert all(line.startswith(f"{jobid}: ") for line in err.splitlines())
    assert names[0] == "submit"
    assert names[-1] == "clean"
    assert "failed:" in names


def test_bulksubmit(rosin):
    code, out, _ = rosin(
        "bulksubmit", "--quiet", "--watch", "echo", "{0}{1}", ":::", "a", "b", ":::", "1", "2"
    )
    assert (code, sorted(out.split())) == (0, ["a1", "a2", "b1", "b2"])


def test_jobs(rosin, submit):
    jobid = submit("--urgency=hold", "--job-name=listed", "true")
    code, out, err = rosin("jobs", "-o", "{id} {name} {state} {nnodes:h}", "--name=listed")
    assert (code, out, err) == (0, f"JOBID NAME STATE NNODES\n{jobid} listed SCHED -\n", "")
    assert rosin("jobs", "-n", "--name=listed", "-f", "running")[1] == ""
    one = json.loads(rosin("jobs", "--json", jobid)[1])
    assert (one["name"], one["state"], one["jobid"]) == ("listed", "SCHED", jobid)
    assert [job["name"] for job in json.loads(rosin("jobs", "--json", "--name=listed")[1])["jobs"]] == [
        "listed"
    ]
    code, out, _ = rosin("jobs", "--name=listed")
    assert out.splitlines()[0].split() == ["JOBID", "USER", "NAME", "ST", "NTASKS", "NNODES", "TIME", "INFO"]
    assert out.splitlines()[1].split()[-1] == "held"
    assert rosin("jobs", "--color=always", "-n", "--name=listed")[1] == out.split("\n", 1)[1]
    assert rosin("cancel", jobid)[0] == 0
    assert "\033[37m" in rosin("jobs", "-a", "-n", "--color=always", "--name=listed")[1]
    assert rosin("jobs", "123") == (1, "", "JobID 123 unknown\n")
    assert rosin("jobs", "--filter=") == (1, "", "rosin-jobs: ERROR: Invalid filter specified: it is empty\n")


def test_a_cut_listing_says_so(rosin, submit):
    ids = submit("--urgency=hold", "--cc=1-3", "--job-name=three", "true").split()
    code, out, err = rosin("jobs", "-c", "2", "--name=three", "-o", "{id}")
    assert (code, len(out.splitlines())) == (0, 3)
    assert err.startswith("warning: output truncated at 2 jobs.\n")
    assert rosin("cancel", *ids) == (0, "", "")


def test_cancel(rosin, submit):
    ids = submit("--urgency=hold", "--cc=1-2", "true").split()
    assert rosin("cancel", "--dry-run", *ids)[2] == "rosin-cancel: Would cancel 2 jobs\n"
    assert rosin("job", "cancel", "-m", "no use", *ids) == (0, "", "")
    assert rosin("cancel", ids[0]) == (1, "", f"rosin-cancel: ERROR: {ids[0]}: job is inactive\n")
    assert "no use" in rosin("job", "eventlog", ids[0])[1]
    assert rosin("cancel")[2] == "rosin-cancel: ERROR: No target jobs were provided\n"


def test_search_and_kill(rosin, submit):
    jobid = submit("--urgency=hold", "--job-name=needle-1", "true")
    assert rosin("pgrep", "^needle") == (0, f"{jobid}\n", "")
    assert rosin("pgrep", "-o", "{id} {name}", "^needle")[1] == f"JOBID NAME\n{jobid} needle-1\n"
    assert rosin("pgrep", "nothing-like-this")[0] == 1
    assert rosin("pgrep", "(")[0] == 2
    assert rosin("pkill", "--wait", "^needle")[::2] == (0, "rosin-pkill: INFO: Canceled 1 job\n")
    assert rosin("pgrep", "^needle")[0] == 1


def test_update(rosin, submit):
    jobid = submit("--urgency=hold", "-t", "1m", "true")
    assert rosin("update", "--wait", "-v", jobid, "duration=+30s") == (
        0,
        "",
        "rosin-update: INFO: updated attributes.system.duration to 90.0\n",
    )
    assert json.loads(rosin("job", "info", jobid, "jobspec")[1])["attributes"]["system"]["duration"] == 90
    base = json.loads(rosin("job", "info", "--base", jobid, "jobspec")[1])
    assert base["attributes"]["system"]["duration"] == 60
    assert rosin("update", "--dry-run", jobid, "duration=1h")[1] == '{"attributes.system.duration": 3600.0}\n'
    rosin("cancel", jobid)


def test_watch(rosin, submit):
    jobid = submit("sh", "-c", "echo seen; exit 2")
    code, out, err = rosin("watch", "-v", "-l", jobid)
    assert (code, out) == (2, f"{jobid}: 0: seen\n")
    assert err.startswith("rosin-watch: INFO: Watching 1 jobs\n")
    assert "failed: status=512" in err
    assert rosin("watch")[0] == 1


def test_queue(rosin):
    assert rosin("queue", "status")[1] == "Job submission is enabled\nScheduling is started\n"
    code, out, _ = rosin("queue", "list")
    assert (code, out.split()[:2]) == (0, ["EN", "ST"])
    assert "\033" not in out
    assert rosin("queue", "stop", "nope") == (
        1,
        "",
        "rosin-queue: ERROR: stop: 'nope' is not a valid queue\n",
    )


def test_eventlog_and_wait_event(rosin, submit):
    jobid = submit("--wait", "true")
    lines = rosin("job", "eventlog", jobid)[1].splitlines()
    assert lines[0].endswith(f"submit userid={os.getuid()} urgency=16 flags=0 version=1")
    assert lines[-1].endswith(" clean")
    assert rosin("job", "eventlog", "-F", jobid)[1].splitlines() == lines
    assert json.loads(rosin("job", "eventlog", "-f", "json", jobid)[1].splitlines()[0])["name"] == "submit"
    assert rosin("job", "eventlog", "-T", "offset", jobid)[1].startswith("0.000000 submit")
    assert rosin("job", "wait-event", jobid, "clean")[1] == lines[-1] + "\n"
    assert rosin("job", "wait-event", "-q", "-m", "status=0", jobid, "finish") == (0, "", "")
    assert rosin("job", "wait-event", "-m", "status=1", jobid, "finish") == (
        1,
        "",
        "rosin-job: event 'finish' never received\n",
    )
    assert rosin("job", "wait-event", "-p", "exec", jobid, "shell.start")[0] == 0
    assert rosin("job", "eventlog", "-p", "foo", jobid)[2] == "rosin-job: eventlog path foo not found\n"


def test_a_wait_that_takes_too_long(rosin, submit):
    jobid = submit("--urgency=hold", "true")
    assert rosin("job", "wait-event", "-t", "0.01", jobid, "clean") == (
        1,
        "",
        "rosin-job: wait-event timeout on event 'clean'\n",
    )
    rosin("cancel", jobid)


def test_status(rosin, submit):
    good, bad = submit("true"), submit("sh", "-c", "exit 7")
    assert rosin("job", "status", good, bad)[0] == 7
    assert json.loads(rosin("job", "status", "-j", good)[1])["waitstatus"] == 0
    held = submit("--urgency=hold", "true")
    rosin("cancel", held)
    assert rosin("job", "status", "-v", "-e", "42", held)[0] == 42
    assert rosin("job", "status", "123")[2] == "rosin-job: 123: No such job\n"


def test_wait_for_waitable_jobs(rosin, submit):
    jobid = submit("--flags=waitable", "false")
    assert rosin("job", "wait", jobid) == (1, "", "rosin-job: task(s) exited with exit code 1\n")
    code, _, err = rosin("job", "wait", jobid)
    assert (code, err) == (2, "rosin-job: invalid job id, or job may be inactive and not waitable\n")
    assert rosin("job", "wait")[0] == 2
    submit("--flags=waitable", "true")
    assert rosin("job", "wait", "-a", "-v")[::2][0] == 0


def test_requests_about_one_job(rosin, submit):
    jobid = submit("--urgency=hold", "true")
    assert rosin("job", "urgency", "-v", jobid, "hold") == (0, "", "old urgency: job held\n")
    assert rosin("job", "urgency", jobid, "99") == (
        1,
        "",
        f"rosin-job: {jobid}: urgency value is out of range: it takes 0 to 31, hold, default or expedite\n",
    )
    assert rosin("job", "memo", jobid, "a.b=1", "c=x")[0] == 0
    assert rosin("jobs", "-no", "{user.a.b}{user.c}", jobid)[1] == "1x\n"
    assert rosin("job", "raise", "-s", "7", "-t", "test", jobid, "two words")[0] == 0
    assert 'exception type="test" severity=7 note="two words"' in rosin("job", "eventlog", jobid)[1]
    assert rosin("job", "kill", jobid)[::2] == (1, f"rosin-job: kill {jobid}: job is not running\n")
    assert rosin("job", "purge", jobid)[2] == "rosin-job: purge: cannot purge active job\n"
    rosin("cancel", jobid)
    assert rosin("job", "purge", "-f", jobid)[1].startswith("purged 1 inactive jobs, ")


def test_ids(rosin, submit):
    jobid = submit("true")
    decimal = rosin("job", "id", jobid)[1].strip()
    assert rosin("job", "id", "--to=f58", input=f"{decimal}\n")[1].strip() == jobid
    assert rosin("job", "namespace", jobid)[1] == f"job-{decimal}\n"
    assert rosin("job", "last")[1] == f"{jobid}\n"
    code, _, err = rosin("job", "id", "!!")
    assert (code, err.startswith("rosin-job: !!: malformed input: it takes an id")) == (1, True)
    assert rosin("job", "id", input="")[0] == 1


def test_taskmap(rosin, submit):
    jobid = submit("-n2", "true")
    assert rosin("job", "taskmap", jobid)[1] == "[[0,1,2,1]]\n"
    assert rosin("job", "taskmap", "--to=pmi", jobid)[1] == "(vector,(0,1,2))\n"
    assert rosin("job", "taskmap", "--taskids=0", jobid)[1] == "0-1\n"
    host = rosin("job", "taskmap", "--hostname=1", jobid)[1].strip()
    assert rosin("job", "taskmap", "--to=hosts", jobid)[1] == f"{host}: 0-1\n"
    assert rosin("job", "taskmap", "--to=multiline", "[[0,2,1,1]]")[1] == "0: 0\n1: 1\n"


def test_jobs_for_programs(rosin, submit):
    jobid = submit("--job-name=lines", "--wait", "true")
    decimal = int(rosin("job", "id", jobid)[1])
    assert json.loads(rosin("job", "list-ids", jobid)[1])["name"] == "lines"
    inactive = [json.loads(line)["id"] for line in rosin("job", "list-inactive")[1].splitlines()]
    assert decimal in inactive
    assert decimal not in [json.loads(line)["id"] for line in rosin("job", "list")[1].splitlines()]
    assert json.loads(rosin("job", "stats")[1])["job_states"]["total"] >= 1


def test_a_jobspec_from_standard_input(rosin):
    jobspec = rosin("run", "--dry-run", "echo", "spec")[1]
    code, out, _ = rosin("job", "submit", "-u", "20", input=jobspec)
    assert code == 0
    assert rosin("job", "attach", out.strip())[1] == "spec\n"
    assert rosin("job", "submit", input="")[2] == "rosin-job: required jobspec is empty\n"


def test_time_left(rosin, submit):
    jobid = submit("-t", "10m", "sleep", "60")
    rosin("job", "wait-event", jobid, "start")
    assert 0 < int(rosin("job", "timeleft", jobid)[1]) <= 600
    rosin("cancel", jobid)


def test_unknown_subcommands(rosin):
    code, _, err = rosin("job", "nothing")
    assert code == 2
    assert err.startswith("rosin-job: Unknown subcommand: nothing\n")
    assert "attach" in rosin("job", "--help")[1]
