# SPDX-License-Identifier: LGPL-3.0-or-later
"""The commands about jobs in a running instance, but for those that run one and follow it."""

from __future__ import annotations

import json
import os

import pytest

pytestmark = pytest.mark.system


def test_submit_and_wait(program):
    code, out, err = program("submit", "--cc=0-3", "--wait", "sh", "-c", "exit $FLUX_JOB_CC")
    assert (code, len(out.splitlines()), err) == (3, 4, "")


def test_many_copies_are_waited_for_through_the_journal(program):
    code, out, _ = program("submit", "--cc=0-19", "--wait", "sh", "-c", "exit $FLUX_JOB_CC")
    assert (code, len(out.splitlines())) == (19, 20)


def test_watch_output_of_copies(program):
    code, out, err = program("submit", "--quiet", "--cc=1-3", "--watch", "echo", "{cc}")
    assert (code, sorted(out.splitlines()), err) == (0, ["1", "2", "3"], "")


def test_log_files(program, tmp_path):
    log = f"{tmp_path}/out"
    code, out, _ = program("submit", "--bcc=1-2", f"--log={log}{{cc}}", "--watch", "echo", "hi{cc}")
    assert (code, out) == (0, "")
    assert (tmp_path / "out2").read_text().splitlines()[1:] == ["hi2"]


def test_events_of_watched_jobs(program):
    code, out, err = program("submit", "--wait", "-vv", "false")
    jobid = out.strip()
    names = [line.split()[2] for line in err.splitlines()]
    assert code == 1
    assert all(line.startswith(f"{jobid}: ") for line in err.splitlines())
    assert names[0] == "submit"
    assert names[-1] == "clean"
    assert "failed:" in names


def test_bulksubmit(program):
    code, out, _ = program(
        "bulksubmit", "--quiet", "--watch", "echo", "{0}{1}", ":::", "a", "b", ":::", "1", "2"
    )
    assert (code, sorted(out.split())) == (0, ["a1", "a2", "b1", "b2"])


def test_jobs(program, submit):
    jobid = submit("--urgency=hold", "--job-name=listed", "true")
    code, out, err = program("jobs", "-o", "{id} {name} {state} {nnodes:h}", "--name=listed")
    assert (code, out, err) == (0, f"JOBID NAME STATE NNODES\n{jobid} listed SCHED -\n", "")
    assert program("jobs", "-n", "--name=listed", "-f", "running")[1] == ""
    assert program("jobs", "-n", "--name=listed", "--queue=") == (0, "", "")
    one = json.loads(program("jobs", "--json", jobid)[1])
    assert (one["name"], one["state"], one["jobid"]) == ("listed", "SCHED", jobid)
    assert [job["name"] for job in json.loads(program("jobs", "--json", "--name=listed")[1])["jobs"]] == [
        "listed"
    ]
    code, out, _ = program("jobs", "--name=listed")
    assert out.splitlines()[0].split() == ["JOBID", "USER", "NAME", "ST", "NTASKS", "NNODES", "TIME", "INFO"]
    assert out.splitlines()[1].split()[-1] == "held"
    assert program("jobs", "--color=always", "-n", "--name=listed")[1] == out.split("\n", 1)[1]
    assert program("cancel", jobid)[0] == 0
    assert "\033[37m" in program("jobs", "-a", "-n", "--color=always", "--name=listed")[1]
    assert program("jobs", "123") == (1, "", "JobID 123 unknown\n")
    assert program("jobs", "--filter=") == (
        1,
        "",
        "rosin-jobs: ERROR: Invalid filter specified: it is empty\n",
    )


def test_a_cut_listing_says_so(program, submit):
    ids = submit("--urgency=hold", "--cc=1-3", "--job-name=three", "true").split()
    code, out, err = program("jobs", "-c", "2", "--name=three", "-o", "{id}")
    assert (code, len(out.splitlines())) == (0, 3)
    assert err.startswith("warning: output truncated at 2 jobs.\n")
    assert program("cancel", *ids) == (0, "", "")


def test_why(program, submit):
    held = submit("--urgency=hold", "true")
    after = submit(f"--dependency=afterok:{held}", "true")
    code, out, err = program("job", "why", held, after)
    lines = [
        f"{held} is in state SCHED",
        "  it is held: its urgency is 0",
        f"{after} is in state DEPEND",
        f"  it waits for {held} to succeed, which is in state SCHED",
    ]
    assert (code, out.splitlines(), err) == (0, lines, "")
    code, out, _ = program("job", "why", "--json", held)
    assert (code, json.loads(out)["reasons"]) == (0, [{"kind": "hold", "urgency": 0}])
    program("cancel", held)
    program("job", "wait-event", held, "clean")
    assert program("job", "why", held) == (1, "", f"rosin-job: {held}: job is inactive\n")
    assert program("job", "why")[0] == 2


def test_cancel(program, submit):
    ids = submit("--urgency=hold", "--cc=1-2", "true").split()
    assert program("cancel", "--dry-run", *ids)[2] == "rosin-cancel: Would cancel 2 jobs\n"
    assert program("job", "cancel", "-m", "no use", *ids) == (0, "", "")
    assert program("cancel", ids[0]) == (1, "", f"rosin-cancel: ERROR: {ids[0]}: job is inactive\n")
    assert "no use" in program("job", "eventlog", ids[0])[1]
    assert program("cancel")[2] == "rosin-cancel: ERROR: No target jobs were provided\n"


def test_search_and_kill(program, submit):
    jobid = submit("--urgency=hold", "--job-name=needle-1", "true")
    assert program("pgrep", "^needle") == (0, f"{jobid}\n", "")
    assert program("pgrep", "-o", "{id} {name}", "^needle")[1] == f"JOBID NAME\n{jobid} needle-1\n"
    assert program("pgrep", "nothing-like-this")[0] == 1
    assert program("pgrep", "(")[0] == 2
    assert program("pkill", "--wait", "^needle")[::2] == (0, "rosin-pkill: INFO: Canceled 1 job\n")
    assert program("pgrep", "^needle")[0] == 1


def test_update(program, submit):
    jobid = submit("--urgency=hold", "-t", "1m", "true")
    assert program("update", "--wait", "-v", jobid, "duration=+30s") == (
        0,
        "",
        "rosin-update: INFO: updated attributes.system.duration to 90.0\n",
    )
    assert json.loads(program("job", "info", jobid, "jobspec")[1])["attributes"]["system"]["duration"] == 90
    base = json.loads(program("job", "info", "--base", jobid, "jobspec")[1])
    assert base["attributes"]["system"]["duration"] == 60
    assert (
        program("update", "--dry-run", jobid, "duration=1h")[1] == '{"attributes.system.duration": 3600.0}\n'
    )
    program("cancel", jobid)


def test_watch(program, submit):
    jobid = submit("sh", "-c", "echo seen; exit 2")
    code, out, err = program("watch", "-v", "-l", jobid)
    assert (code, out) == (2, f"{jobid}: 0: seen\n")
    assert err.startswith("rosin-watch: INFO: Watching 1 jobs\n")
    assert "failed: status=512" in err
    assert program("watch")[0] == 1


def test_queue(program):
    assert program("queue", "status")[1] == "Job submission is enabled\nScheduling is started\n"
    code, out, _ = program("queue", "list")
    assert (code, out.split()[:2]) == (0, ["EN", "ST"])
    assert "\033" not in out
    assert program("queue", "stop", "nope") == (
        1,
        "",
        "rosin-queue: ERROR: stop: 'nope' is not a valid queue\n",
    )


def test_eventlog_and_wait_event(program, submit):
    jobid = submit("--wait", "true")
    lines = program("job", "eventlog", jobid)[1].splitlines()
    assert lines[0].endswith(f"submit userid={os.getuid()} urgency=16 flags=0 version=1")
    assert lines[-1].endswith(" clean")
    assert program("job", "eventlog", "-F", jobid)[1].splitlines() == lines
    assert json.loads(program("job", "eventlog", "-f", "json", jobid)[1].splitlines()[0])["name"] == "submit"
    assert program("job", "eventlog", "-T", "offset", jobid)[1].startswith("0.000000 submit")
    assert program("job", "wait-event", jobid, "clean")[1] == lines[-1] + "\n"
    assert program("job", "wait-event", "-t", "0", jobid, "clean")[1] == lines[-1] + "\n"
    # What is not printed is not what a short time refers to.
    assert program("job", "wait-event", "-H", jobid, "clean")[1].endswith("] clean\n")
    assert "+" not in program("job", "wait-event", "-H", jobid, "clean")[1]
    assert program("job", "wait-event", "-T", "offset", jobid, "submit")[1].startswith("0.000000 submit")
    assert program("job", "wait-event", "-q", "-m", "status=0", jobid, "finish") == (0, "", "")
    assert program("job", "wait-event", "-m", "=1", jobid, "finish")[:2] == (1, "")
    assert program("job", "wait-event", "-m", "status=1", jobid, "finish") == (
        1,
        "",
        "rosin-job: event 'finish' never received\n",
    )
    assert program("job", "wait-event", "-p", "exec", jobid, "shell.start")[0] == 0
    assert program("job", "eventlog", "-p", "foo", jobid)[2] == "rosin-job: eventlog path foo not found\n"


def test_a_wait_that_takes_too_long(program, submit):
    jobid = submit("--urgency=hold", "true")
    assert program("job", "wait-event", "-t", "0.01", jobid, "clean") == (
        1,
        "",
        "rosin-job: wait-event timeout on event 'clean'\n",
    )
    program("cancel", jobid)


def test_status(program, submit):
    good, bad = submit("true"), submit("sh", "-c", "exit 7")
    assert program("job", "status", good, bad)[0] == 7
    assert json.loads(program("job", "status", "-j", good)[1])["waitstatus"] == 0
    held = submit("--urgency=hold", "true")
    program("cancel", held)
    assert program("job", "status", "-v", "-e", "42", held)[0] == 42
    assert program("job", "status", "123")[2] == "rosin-job: 123: No such job\n"


def test_wait_for_waitable_jobs(program, submit):
    jobid = submit("--flags=waitable", "false")
    assert program("job", "wait", jobid) == (1, "", "rosin-job: task(s) exited with exit code 1\n")
    code, _, err = program("job", "wait", jobid)
    assert (code, err) == (2, "rosin-job: invalid job id, or job may be inactive and not waitable\n")
    assert program("job", "wait")[0] == 2
    submit("--flags=waitable", "true")
    assert program("job", "wait", "-a", "-v")[::2][0] == 0


def test_requests_about_one_job(program, submit):
    jobid = submit("--urgency=hold", "true")
    assert program("job", "urgency", "-v", jobid, "hold") == (0, "", "old urgency: job held\n")
    assert program("job", "urgency", jobid, "99") == (
        1,
        "",
        f"rosin-job: {jobid}: urgency value is out of range: it takes 0 to 31, hold, default or expedite\n",
    )
    assert program("job", "memo", jobid, "a.b=1", "c=x")[0] == 0
    assert program("jobs", "-no", "{user.a.b}{user.c}", jobid)[1] == "1x\n"
    assert program("job", "raise", "-s", "7", "-t", "test", jobid, "two words")[0] == 0
    assert 'exception type="test" severity=7 note="two words"' in program("job", "eventlog", jobid)[1]
    assert program("job", "raise", "-s7", jobid, "--", "123", "-s", "0") == (0, "", "")
    assert program("job", "raise", "-s7", "--", jobid, "--", "a", "--", "b") == (0, "", "")
    noted = program("job", "eventlog", jobid)[1].splitlines()[-2:]
    assert [line.partition("note=")[2] for line in noted] == [
        f'"{note}" userid={os.getuid()}' for note in ("123 -s 0", "a -- b")
    ]
    assert program("job", "raise", "-s7", "--")[0] == 2
    assert program("job", "kill", jobid)[::2] == (1, f"rosin-job: kill {jobid}: job is not running\n")
    assert program("job", "purge", jobid)[2] == "rosin-job: purge: cannot purge active job\n"
    program("cancel", jobid)
    assert program("job", "purge", "-f", jobid)[1].startswith("purged 1 inactive jobs, ")


def test_ids(program, submit):
    jobid = submit("true")
    decimal = program("job", "id", jobid)[1].strip()
    assert program("job", "id", "--to=f58", input=f"{decimal}\n")[1].strip() == jobid
    assert program("job", "namespace", jobid)[1] == f"job-{decimal}\n"
    assert program("job", "last")[1] == f"{jobid}\n"
    code, _, err = program("job", "id", "!!")
    assert (code, err.startswith("rosin-job: !!: malformed input: it takes an id")) == (1, True)
    assert program("job", "id", input="")[0] == 1


def test_taskmap(program, submit):
    jobid = submit("-n2", "true")
    assert program("job", "taskmap", jobid)[1] == "[[0,1,2,1]]\n"
    assert program("job", "taskmap", "--to=pmi", jobid)[1] == "(vector,(0,1,2))\n"
    assert program("job", "taskmap", "--taskids=0", jobid)[1] == "0-1\n"
    host = program("job", "taskmap", "--hostname=1", jobid)[1].strip()
    assert program("job", "taskmap", "--to=hosts", jobid)[1] == f"{host}: 0-1\n"
    assert program("job", "taskmap", "--to=multiline", "[[0,2,1,1]]")[1] == "0: 0\n1: 1\n"


def test_jobs_for_programs(program, submit):
    jobid = submit("--job-name=lines", "--wait", "true")
    decimal = int(program("job", "id", jobid)[1])
    assert json.loads(program("job", "list-ids", jobid)[1])["name"] == "lines"
    inactive = [json.loads(line)["id"] for line in program("job", "list-inactive")[1].splitlines()]
    assert decimal in inactive
    assert decimal not in [json.loads(line)["id"] for line in program("job", "list")[1].splitlines()]
    assert json.loads(program("job", "stats")[1])["job_states"]["total"] >= 1


def test_a_jobspec_from_standard_input(program):
    jobspec = program("run", "--dry-run", "echo", "spec")[1]
    code, out, _ = program("job", "submit", "-u", "20", input=jobspec)
    assert code == 0
    assert program("job", "attach", out.strip())[1] == "spec\n"
    assert program("job", "submit", input="")[2] == "rosin-job: required jobspec is empty\n"


def test_time_left(program, submit):
    jobid = submit("-t", "10m", "sleep", "60")
    program("job", "wait-event", jobid, "start")
    assert 0 < int(program("job", "timeleft", jobid)[1]) <= 600
    program("cancel", jobid)
    code, out, err = program("job", "timeleft", "")
    assert (code, out, err.startswith("rosin-job: failed to parse jobid")) == (1, "", True)


def test_tasks_that_are_none(program, submit):
    jobid = submit("--urgency=hold", "true")
    code, out, err = program("job", "hostpids", "-r", "", jobid)
    assert (code, out, err.startswith("rosin-job: --ranks=: Invalid argument")) == (1, "", True)
    program("cancel", jobid)


def test_options_are_known_by_their_beginnings(program):
    """As getopt_long(3) has it; what belongs to a command that is run is left alone."""
    assert program("kvs", "put", "a=1")[0] == 0
    assert program("kvs", "get", "--lab", "--names=primary", "a") == (0, "a=1\n", "")
    assert program("kvs", "get", "--wat", "--cou", "1", "a") == (0, "1\n", "")
    assert program("exec", "--ra", "0", "echo", "--lab") == (0, "--lab\n", "")
    code, _, err = program("kvs", "get", "--w", "a")
    assert (code, "unrecognized option '--w'" in err) == (2, True)
    assert program("jobs", "--no-head")[0] == 2


def test_unknown_subcommands(program):
    code, _, err = program("job", "nothing")
    assert code == 2
    assert err.startswith("rosin-job: Unknown subcommand: nothing\n")
    assert "attach" in program("job", "--help")[1]
