# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin exec --jobid``: the subprocess server of a job's shell."""

import os
import signal
import subprocess
import sys

import pytest

from rosin.handle import Flux

pytestmark = [pytest.mark.system, pytest.mark.rfc(42, "shell-service")]


@pytest.fixture
def job(rosin):
    """A running job."""

    def job(*options):
        jobid = rosin("submit", *options, "sleep", "1000").out.strip()
        assert rosin("job", "wait-event", "-q", "-p", "exec", jobid, "shell.start").code == 0
        return jobid

    yield job
    rosin("cancel", "--all", "--quiet")


@pytest.fixture
def run(real_instance):
    """``rosin exec ARGS...`` in a process of its own."""

    def run(*args, more=None, **kwargs):
        return subprocess.run(
            [sys.executable, "-m", "rosin", "exec", *args],
            env={**os.environ, **(more or {}), "FLUX_URI": real_instance.uri},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **kwargs,
        )

    return run


def service(rosin, jobid):
    return rosin("job", "eventlog", "-p", "exec", jobid).out.split('service="')[1].split('"')[0]


def test_output_and_exit_code(run, job):
    done = run("-j", job(), "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n0: Exit 7\n", 7)


def test_input_of_any_size(run, job):
    text = "".join(f"{number}\n" for number in range(300_000))
    done = run("-j", job(), "cat", input=text)
    assert (done.stdout == text, done.stderr, done.returncode) == (True, "", 0)


def test_labels(run, job):
    jobid = job()
    assert run("-l", "-j", jobid, "printf", "a\\nb").stdout == "0: a\n0: b"
    done = run("-l", "-j", jobid, "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo y")
    assert done.stdout == f"0: {'x' * 300_000}\n0: y\n"


def test_where_it_runs(run, job, tmp_path, real_instance):
    done = run("-j", job(), "sh", "-c", "pwd; echo $FLUX_URI $COLOUR; ps -o ppid= $$", cwd=tmp_path)
    cwd, words, _ = done.stdout.splitlines()
    assert (cwd, words) == (str(tmp_path), real_instance.uri)


def test_what_cannot_be_started(run, job):
    done = run("-j", job(), "/no/such/program")
    assert done.returncode == 127
    assert done.stderr == (
        "rosin-exec: Error: rank 0: /no/such/program: error launching process: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("-j", "xx!"), 'error parsing jobid: "xx!"'),
        (("-j", "123"), "job 123 not found"),
    ],
)
def test_what_is_no_job(run, args, text):
    done = run(*args, "true")
    assert (done.returncode, done.stderr) == (1, f"rosin-exec: {text}\n")


def test_an_empty_word_is_not_a_missing_one(run):
    """A script may name what is empty: that is no reason to run the command elsewhere."""
    for option, text in (
        ("--jobid=", 'error parsing jobid: ""'),
        ("--service=", "No service matching .exec"),
    ):
        done = run(option, "echo", "ran")
        assert (done.returncode, done.stdout, text in done.stderr) == (1, "", True)


def test_a_job_that_has_ended(run, rosin):
    jobid = rosin("submit", "--wait", "true").out.strip()
    assert run("-j", jobid, "true").stderr == f"rosin-exec: job {jobid} is not currently running\n"


def test_a_signal_reaches_the_process(job, real_instance):
    command = [sys.executable, "-m", "rosin", "exec", "-j", job(), "sh", "-c", "echo ready; exec sleep 1000"]
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (err, process.returncode) == ("0: Terminated\n", 143)


def test_a_client_that_goes_takes_its_process_along(job, rosin, real_instance):
    jobid = job()
    command = [sys.executable, "-m", "rosin", "exec", "-j", jobid, "sh", "-c", "echo ready; exec sleep 1000"]
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    with Flux(real_instance.uri) as h:
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            name = service(rosin, jobid)
            assert [p["cmd"] for p in h.rpc(f"{name}.rexec.list").get()["procs"]] == ["sh"]
            waited = h.rpc(f"{name}.rexec.kill", {"pid": 1, "signum": 0})
            with pytest.raises(OSError, match="pid 1 does not belong to any subprocess"):
                waited.get()
            process.kill()
        while h.rpc(f"{name}.rexec.list").get()["procs"]:
            pass


def test_background_processes(run, job, rosin, real_instance):
    jobid = job()
    done = run("--bg", "--waitable", "--label=one", "-j", jobid, "sh", "-c", "echo hello; exit 3")
    assert done.stdout.startswith("0: ")
    with Flux(real_instance.uri) as h:
        result = h.rpc(f"{service(rosin, jobid)}.rexec.wait", {"pid": -1, "label": "one"}).get()
    assert result["status"] == 3 << 8
    assert [io.get("data") for io in result["output"]] == ["hello\n"]
    rosin("cancel", jobid)
    assert f"rexec: one[{done.stdout.split()[1]}]: hello\n" in rosin("job", "attach", jobid).err


def test_what_a_dead_process_left_in_its_group_can_be_signalled(run, job, rosin, real_instance):
    jobid = job()
    pid = int(run("--bg", "-j", jobid, "sh", "-c", "sleep 1000 & exit 0").stdout.split()[1])
    name = service(rosin, jobid)
    with Flux(real_instance.uri) as h:
        while [p["state"] for p in h.rpc(f"{name}.rexec.list").get()["procs"]] != ["Z"]:
            pass
        h.rpc(f"{name}.rexec.kill", {"pid": pid, "signum": signal.SIGTERM}).get()
        while h.rpc(f"{name}.rexec.list").get()["procs"]:
            pass


def test_processes_end_with_the_job(rosin, run, job, real_instance):
    jobid = rosin("submit", "cat").out.strip()
    assert rosin("job", "wait-event", "-q", "-p", "exec", jobid, "shell.start").code == 0
    command = [sys.executable, "-m", "rosin", "exec", "-j", jobid, "sh", "-c"]
    command += ["trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"]
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert rosin("job", "attach", jobid).code == 0  # an empty input ends the task
        assert process.stdout.read() == "bye\n"
    assert process.returncode == 0
    assert rosin("job", "wait-event", "-q", jobid, "clean").code == 0


def test_a_stubborn_process_is_killed(rosin, run, job, real_instance):
    jobid = rosin("submit", "-o", "rexec-shutdown-timeout=0.05s", "cat").out.strip()
    assert rosin("job", "wait-event", "-q", "-p", "exec", jobid, "shell.start").code == 0
    command = [sys.executable, "-m", "rosin", "exec", "-j", jobid, "sh", "-c"]
    command += ["trap '' TERM; echo ready; while :; do sleep 0.01; done"]
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert rosin("job", "attach", jobid).code == 0
    assert process.returncode == 137


def test_a_job_that_fails_tells_its_clients(rosin, run, job, real_instance):
    script = "read x; exit 1"
    jobid = rosin("submit", "-n2", "-o", "exit-on-error", "sh", "-c", script).out.strip()
    assert rosin("job", "wait-event", "-q", "-p", "exec", jobid, "shell.start").code == 0
    command = [sys.executable, "-m", "rosin", "exec", "-j", jobid, "sh", "-c", "echo ready; exec sleep 1000"]
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        rosin("job", "attach", jobid)
        assert "the job shell has ended" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_signatures_may_be_required(run, job):
    done = run("-j", job("-o", "rexec.sign-required"), "true")
    assert (done.returncode, done.stderr) == (
        126,
        "rosin-exec: Error: rank 0: true: request signature required\n",
    )


def test_a_bad_timeout(rosin):
    code, _, err = rosin("run", "-o", "rexec-shutdown-timeout=abc", "true")
    assert code == 1
    assert "rexec-shutdown-timeout='abc' is not a valid Flux Standard Duration" in err


def test_a_killed_shell_ends_the_command(run, job, real_instance):
    jobid = job()
    shell = int(run("-j", jobid, "sh", "-c", "echo $PPID").stdout)
    command = [sys.executable, "-m", "rosin", "exec", "-j", jobid, "sh", "-c", "echo ready; exec sleep 1000"]
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        os.kill(shell, signal.SIGKILL)
        assert process.communicate(timeout=60)[1] == "rosin-exec: Error: rank 0: sh: the job has ended\n"
    assert process.returncode == 1


def test_the_environment_of_the_job(run, job):
    """Below the caller's; but what names the job is never another job's, from which a caller may run."""
    jobid = job("--env=BOTH=job", "--env=JOB_ONLY=job", "-n2")
    names = ("BOTH", "JOB_ONLY", "CALLER_ONLY", "FLUX_JOB_ID", "FLUX_JOB_SIZE", "FLUX_JOB_NNODES")
    text = " ".join(f"${name}" for name in names)
    env = {"BOTH": "caller", "CALLER_ONLY": "caller", "FLUX_JOB_ID": "f1", "FLUX_JOB_SIZE": "9"}
    done = run("-j", jobid, "sh", "-c", f"echo {text}; test -d $FLUX_JOB_TMPDIR", more=env)
    assert (done.stdout, done.returncode) == (f"caller job caller {jobid} 2 1\n", 0)
    inside = run("-j", jobid, "sh", "-c", f"{sys.executable} -m rosin kvs put a=1 && echo $FLUX_URI")
    assert (inside.stderr, inside.stdout[:8]) == ("", "local://")
    outside = run("sh", "-c", "echo ${JOB_ONLY-unset} ${FLUX_JOB_TMPDIR-unset}")
    assert outside.stdout == "unset unset\n"


def test_the_environment_is_not_the_next_jobs(run, job, rosin):
    """Shells are used again: what one has run with is not there in the next."""
    first = job("--env=JOB_ONLY=first")
    rosin("cancel", first)
    assert rosin("job", "wait-event", "-q", first, "clean").code == 0
    done = run("-j", job("--env=-JOB_ONLY"), "sh", "-c", "echo ${JOB_ONLY-unset}")
    assert done.stdout == "unset\n"


@pytest.mark.parametrize("where", [(), ("job",)])
def test_remedies_for_what_cannot_be_run(run, job, tmp_path, where):
    place = ("-j", job()) if where else ()
    script = tmp_path / "a.sh"
    script.write_text("#!/no/such/sh\n")
    script.chmod(0o644)
    done = run(*place, "./a.sh", cwd=tmp_path)
    assert (done.returncode, "(it is not executable: chmod +x ./a.sh)" in done.stderr) == (126, True)
    script.chmod(0o755)
    done = run(*place, "./a.sh", cwd=tmp_path)
    assert (done.returncode, "(its interpreter '/no/such/sh')" in done.stderr) == (127, True)
