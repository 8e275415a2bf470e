# SPDX-License-Identifier: LGPL-3.0-or-later
"""The shell with real processes against a small broker: one job from its first request to its exit code."""

import json
import os
import select
import signal
import sys
from pathlib import Path

import pytest

from rosin.process.platform import descendants
from rosin.rfc import fluid

pytestmark = pytest.mark.system

JOBID = fluid.parse("ƒ2TwG5P3")
KILLABLE = ["sh", "-c", "echo up; exec sleep 1000"]


def test_the_logs_of_a_job(run, broker):
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], ntasks=2) == 3
    assert broker.names("exec.eventlog") == ["shell.init", "shell.start", "shell.task-exit"]
    init, begin, end = broker.log("exec.eventlog")
    assert init.context == {"service": f"{os.getuid()}-shell-f2TwG5P3", "leader-rank": 0, "size": 1}
    assert begin.context == {"taskmap": {"version": 1, "map": [[0, 1, 2, 1]]}}
    pid = end.context.pop("pid")
    rank = end.context.pop("rank")
    assert pid > 0
    assert end.context == {
        "localid": rank,
        "state": "Exited",
        "wait_status": 3 << 8,
        "signaled": 0,
        "exitcode": 3,
    }
    header, *rest = broker.log("output")
    assert header.context == {
        "version": 1,
        "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"},
        "count": {"stdout": 2, "stderr": 2},
        "options": {},
    }
    ends = [(e.context["stream"], e.context["rank"]) for e in rest if e.context.get("eof")]
    assert sorted(ends) == [("stderr", "0"), ("stderr", "1"), ("stdout", "0"), ("stdout", "1")]
    for task in (0, 1):
        assert broker.output("stdout", task) == b"out\n"
        assert broker.output("stderr", task) == b"err\n"
    assert broker.names("input") == ["header"]


def test_a_handed_over_job_needs_few_requests(run, broker):
    assert run(["true"], init=True) == 0
    assert sorted(broker.requests[:5]) == [
        "event.subscribe",
        "job-exec.shell-ready",
        "job-info.lookup",
        "kvs.commit",
        "service.add",
    ]
    assert broker.requests.index("event.subscribe") < broker.requests.index("job-exec.shell-ready")
    assert set(broker.requests[5:]) == {"kvs.commit"}
    assert broker.names("exec.eventlog") == ["shell.init", "shell.start", "shell.task-exit"]


def test_the_environment_comes_from_the_signed_request(run, broker):
    command = ["sh", "-c", "echo $COLOUR $FLUX_TASK_RANK"]
    environment = {"PATH": os.environ["PATH"], "COLOUR": "blue", "FLUX_PROXY_REMOTE": "x"}
    assert run(command, init=True, environment=environment) == 0
    assert broker.output() == b"blue 0\n"


def test_environment_of_a_task(run, broker, tmp_path):
    assert run(["env"], ntasks=2, environment={"PATH": os.environ["PATH"], "HOSTNAME": "wrong"}) == 0
    env = dict(line.split("=", 1) for line in broker.output("stdout", 1).decode().splitlines())
    assert env["FLUX_JOB_ID"] == "ƒ2TwG5P3"
    assert env["FLUX_JOB_ID_PATH"] == "/ƒ2TwG5P3"
    assert env["FLUX_JOB_SIZE"] == "2"
    assert env["FLUX_JOB_NNODES"] == "1"
    assert env["FLUX_TASK_RANK"] == env["FLUX_TASK_LOCAL_ID"] == env["PMI_RANK"] == "1"
    assert env["PMI_SIZE"] == "2"
    assert env["FLUX_URI"] == broker.uri
    assert env["FLUX_KVS_NAMESPACE"].startswith("job-")
    assert env["FLUX_JOB_TMPDIR"] == str(tmp_path / "jobtmp-0-ƒ2TwG5P3")
    assert env["CUDA_VISIBLE_DEVICES"] == "-1"
    assert env["HOSTNAME"] == os.uname().nodename
    assert not os.path.exists(env["FLUX_JOB_TMPDIR"])


@pytest.mark.parametrize(
    "init", [(), ("R",), ("jobspec",), ("jobspec", "R"), ("jobspec", "R", "rank"), ("rank", "attrs")]
)
def test_an_incomplete_hand_over(run, broker, init):
    assert run(["echo", "hello"], init=init) == 0
    assert broker.output() == b"hello\n"
    assert broker.names("exec.eventlog") == ["shell.init", "shell.start", "shell.task-exit"]


def test_an_ascii_job_id_on_request(run, broker):
    environment = {"PATH": os.environ["PATH"], "FLUX_F58_FORCE_ASCII": "1"}
    assert run(["sh", "-c", "echo $FLUX_JOB_ID {{id}}"], environment=environment, init=True) == 0
    assert broker.output() == b"f2TwG5P3 f2TwG5P3\n"


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("no-such-program", 127, "No such file or directory"),
        ("/etc/passwd", 126, "Permission denied (it is not executable: chmod +x /etc/passwd)"),
    ],
)
def test_a_program_that_cannot_be_run(run, broker, command, code, reason):
    text = f"task 0 (host testhost): start failed: {command}: {reason}"
    assert run([command]) == code
    assert broker.messages() == [text]
    assert [(e["type"], e["severity"], e["note"]) for e in broker.exceptions] == [("exec", 0, text)]
    assert "shell.start" not in broker.names("exec.eventlog")


def test_a_script_without_interpreter_line_is_run_by_sh(run, broker, tmp_path):
    script = tmp_path / "script"
    script.write_text("echo from $0 $1\n")
    script.chmod(0o755)
    assert run([str(script), "x"]) == 0
    assert broker.output() == f"from {script} x\n".encode()


def test_a_task_killed_by_a_signal(run, broker):
    assert run(["sh", "-c", "kill -SEGV $$"]) == 128 + signal.SIGSEGV
    end = broker.log("exec.eventlog")[-1].context
    assert (end["signaled"], end["exitcode"]) == (signal.SIGSEGV, 128 + signal.SIGSEGV)
    assert os.WTERMSIG(end["wait_status"]) == signal.SIGSEGV


def test_a_missing_directory_is_replaced_with_an_error(run, broker):
    assert run(["pwd"], cwd="/no/such/directory") == 0
    assert broker.output() == b"/tmp\n"
    assert broker.messages() == [
        f"host {os.uname().nodename}: Could not change dir to /no/such/directory: "
        "No such file or directory. Going to /tmp instead"
    ]


def test_the_kill_event_reaches_all_tasks(start, broker):
    job = start(KILLABLE, ntasks=2)
    broker.wait(lambda: broker.output() == b"up\nup\n")
    broker.event(f"shell-{JOBID}.kill", {"signum": int(signal.SIGUSR2)})
    assert job.wait() == 128 + signal.SIGUSR2


@pytest.mark.parametrize("init", [True, None])
def test_a_signal_before_the_shell_listened(start, broker, init):
    broker.signals = [[1, int(signal.SIGUSR2)]]
    assert start(KILLABLE, init=init).wait() == 128 + signal.SIGUSR2


def test_sigterm_is_forwarded(start, broker):
    job = start(KILLABLE)
    broker.wait(lambda: broker.output() == b"up\n")
    job.spawned.kill(signal.SIGTERM, group=False)
    assert job.wait() == 128 + signal.SIGTERM


def test_exit_on_error_ends_the_others(run, broker):
    command = ["sh", "-c", "test $FLUX_TASK_RANK = 1 && exit 5; sleep 1000"]
    assert run(command, ntasks=2, options={"exit-on-error": 1}) == 5
    text = "sh: task rank 1 on host testhost failed (Exit 5) and exit-on-error is set"
    (exception,) = broker.exceptions
    assert exception["note"] == text
    assert exception["wait_status"] == 5 << 8
    assert broker.messages() == [text]


def test_exit_timeout_ends_the_others(run, broker):
    command = ["sh", "-c", "test $FLUX_TASK_RANK = 1 && kill -9 $$; sleep 1000"]
    assert run(command, ntasks=2, options={"exit-timeout": "0.01s"}) == 128 + signal.SIGKILL
    assert broker.messages() == [
        "sh: task rank 1 on host testhost exited (Killed) and exit-timeout=10ms has expired"
    ]


def test_a_signal_before_the_time_limit(start, broker):
    job = start(["sh", "-c", "trap 'exit 4' TERM; sleep 1000 & wait"], options={"signal": {"timeleft": 10}})
    broker.wait(lambda: "shell.start" in broker.names("exec.eventlog"))
    assert broker.messages() == ["job has no expiration, SIGUSR1 will not be sent"]
    broker.set_expiration(1.0)
    broker.wait(lambda: "job-manager.kill" in broker.requests)
    broker.event(f"shell-{JOBID}.kill", {"signum": int(signal.SIGKILL)})
    assert job.wait() == 128 + signal.SIGKILL


@pytest.mark.parametrize(("value", "shown"), [("0027", "0027"), (77, "0077"), ("0", "0000")])
def test_umask(run, broker, tmp_path, value, shown):
    options = {"umask": value, "output": {"stderr": {"path": str(tmp_path / "err")}}}
    assert run(["sh", "-c", "umask"], options=options) == 0
    assert broker.output().decode().strip() == shown
    assert (tmp_path / "err").stat().st_mode & 0o777 == 0o644 & ~int(shown, 8)


def test_binding_limits_and_templates(run, broker):
    command = [
        "sh",
        "-c",
        "ulimit -c; ulimit -n; echo {{id.f58plain}} {{task.id}}/{{size}} {{name}} {{.What}}",
    ]
    assert run(command, options={"rlimit": {"core": 0, "nofile": 1 << 40}}) == 0
    core, _, rendered = broker.output().decode().splitlines()
    assert core == "0"
    assert rendered == "f2TwG5P3 0/1 sh {{.What}}"
    assert broker.messages() == ["nofile exceeds current max, raising value to hard limit"]


def test_tasks_are_bound_to_their_core(run, broker):
    program = "import os; print(len(os.sched_getaffinity(0)))"
    assert run([sys.executable, "-c", program], options={"cpu-affinity": "map:0"}) == 0
    assert broker.output() == b"1\n"


def test_files_and_the_batch_script_are_written(run, broker, tmp_path):
    files = {
        "data/x.txt": {"mode": 0o100640, "encoding": "utf-8", "data": "hello\n"},
        "j": {"mode": 0o100600, "data": {"a": 1}},
    }
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "flux").write_text(
        '#!/bin/sh\necho "$@"; cat "$FLUX_JOB_TMPDIR/data/x.txt" "$FLUX_JOB_TMPDIR/j" "$3"\n'
    )
    (fake / "flux").chmod(0o755)
    batch = {"script": "#!/bin/sh\ntrue\n", "broker-opts": ["-v"]}
    environment = {"PATH": f"{fake}:{os.environ['PATH']}"}
    assert run(["script", "arg"], files=files, batch=batch, environment=environment) == 0
    tmpdir = tmp_path / "jobtmp-0-ƒ2TwG5P3"
    assert broker.output().decode() == f'broker -v {tmpdir}/script arg\nhello\n{{"a":1}}#!/bin/sh\ntrue\n'
    assert not tmpdir.exists()


def test_stop_tasks_in_exec(start, broker):
    job = start(["echo", "went on"], options={"stop-tasks-in-exec": 1})
    broker.wait(lambda: "shell.start" in broker.names("exec.eventlog"))
    (task,) = descendants(job.pid)
    while Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        os.sched_yield()
    assert broker.output() == b""
    assert Path(f"/proc/{task}/exe").resolve().name != "sh"  # it is the program already
    assert broker.log("exec.eventlog")[-1].context["sync"] is True
    broker.event(f"shell-{JOBID}.kill", {"signum": int(signal.SIGCONT)})
    assert job.wait() == 0
    assert broker.output() == b"went on\n"


def test_what_a_verbose_shell_says(run, broker):
    assert run(["true"], ntasks=2, options={"verbose": 3}) == 0
    said = broker.messages()
    assert "Ignoring shell verbosity > 2" in said
    for text in (
        "0: task_count=2 slot_count=2 cores_per_slot=1 slots_per_node=-1",
        "0: tasks [0-1] on cores 0-1",
        "simple wire protocol is enabled",
        "0: C: pmi EOF",
        "task 1 complete status=0",
        "all shells report tasks complete",
        "exit 0",
    ):
        assert said.count(text) == 1, said


def test_a_lost_broker_ends_tasks_that_ignore_it(start, broker):
    job = start(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done"])
    broker.wait(lambda: broker.output() == b"up\n")
    tree = descendants(job.pid)
    assert tree
    broker.drop()
    assert job.wait() == 128 + signal.SIGKILL
    assert "Lost connection" in job.errors
    for pid in tree:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_broker_lost_before_the_tasks_start(start, broker):
    broker.silent = {"job-info.lookup"}
    job = start(["echo", "never"])
    broker.wait(lambda: "service.add" in broker.requests)
    broker.drop()
    assert job.wait() == 1
    assert "Lost connection" in job.errors


def test_a_malformed_kill_event_is_ignored(start, broker):
    job = start(KILLABLE)
    broker.wait(lambda: broker.output() == b"up\n")
    for payload in (None, "[]", {"signum": "x"}, {"signum": 1000}, b"\xff"):
        broker.event(f"shell-{JOBID}.kill", payload)
    broker.event(f"shell-{JOBID}.kill", {"signum": int(signal.SIGTERM)})
    assert job.wait() == 128 + signal.SIGTERM
    assert broker.messages() == ["kill: ignoring malformed event"] * 5


def test_what_a_task_leaves_running_is_ended(run, broker):
    assert run(["sh", "-c", "(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 & echo $!"]) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(broker.output()), 0)


def test_a_killed_shell_leaves_nothing(start, broker, zygote):
    job = start(["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1000; done"])
    broker.wait(lambda: broker.output().endswith(b"\n"))
    task = int(broker.output())
    end = os.pidfd_open(task)
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    assert select.select([end], [], [], 30)[0]
    os.close(end)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"taskmap": {"scheme": "manual", "value": "[[0,1,7,1]]"}}, "taskmap=[[0,1,7,1]]"),
        ({"taskmap": {"scheme": "nonsense"}}, "failed to map tasks with scheme=nonsense"),
        ({"output": {"limit": "2G"}}, "Invalid KVS output.limit=2G"),
        ({"input": {"stdin": {"type": "telepathy"}}}, "input.stdin.type=telepathy invalid"),
        ({"rlimit": {"moonlight": 1}}, "invalid shell option rlimit.moonlight=1"),
        ({"exit-timeout": "soon"}, "exit-timeout is not a valid Flux Standard Duration"),
        ({"cpu-affinity": "map:x"}, "cpuset x contains no cores or is invalid"),
        ({"verbose": "much"}, "shell option verbose: expected an integer, got 'much'"),
    ],
)
def test_a_wrong_option_fails_the_job(run, broker, options, text):
    assert run(["true"], options=options) == 1
    (exception,) = broker.exceptions
    assert text in exception["note"]


@pytest.mark.parametrize("init", [{"jobspec": 1, "R": {}, "rank": 0, "attrs": {}}, {"R": []}, {"rank": {}}])
def test_a_hand_over_of_nonsense(broker, cold, start, init):
    start(["true"]).wait()
    code, errors = cold("--init", json.dumps(init), str(JOBID))
    assert (code, len(errors.splitlines())) == (1, 0)
    assert len(broker.exceptions) == 1


def test_a_fault_of_the_shell_itself_is_one_line(broker, cold, start, tmp_path):
    start(["true"]).wait()
    (tmp_path / "sitecustomize.py").write_text(
        "import rosin.shell.plugins.tmpdir\n"
        "def apply(*_):\n    raise ZeroDivisionError('by\\nzero')\n"
        "rosin.shell.plugins.tmpdir.make_tmpdir = apply\n"
    )
    env = {"FLUX_URI": broker.uri, "PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    assert cold(str(JOBID), env=env) == (1, "")
    (exception,) = broker.exceptions
    assert exception["note"] == "internal error: ZeroDivisionError: by (sitecustomize.py:3)"


def test_the_broker_is_lost_while_the_exception_is_raised(start, broker):
    broker.silent = {"job-manager.raise"}
    job = start(["no-such-program"])
    broker.wait(lambda: "job-manager.raise" in broker.requests)
    broker.drop()
    assert job.wait() == 127
    assert "Traceback" not in job.errors
    assert "Lost connection" in job.errors


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("../x", "leads out of the archive"),
        ("/etc/x", "is an absolute path"),
        ("link/x", "attributes.system.files: archive: link/x is below link, which is a symbolic link"),
    ],
)
def test_no_file_leads_out_of_the_jobs_directory(run, broker, tmp_path, path, fault):
    outside = tmp_path / "outside"
    outside.mkdir()
    files = {
        "link": {"mode": 0o120777, "data": str(outside)},
        path: {"mode": 0o100600, "encoding": "utf-8", "data": "x"},
    }
    assert run(["true"], files=files) == 1
    assert fault in broker.exceptions[0]["note"]
    assert list(outside.iterdir()) == []
