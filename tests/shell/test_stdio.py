# SPDX-License-Identifier: LGPL-3.0-or-later
"""Standard streams of real tasks: the log, files, input, limits, flow control, and PMI."""

import errno
import os
import signal
import sys

import pytest

from rosin.rfc import ioencode
from rosin.shell.guestlog import PIPELINE

pytestmark = pytest.mark.system


def test_binary_output_is_unchanged(run, broker, tmp_path):
    data = os.urandom(300000) + bytes(range(256))
    (tmp_path / "data").write_bytes(data)
    assert run(["cat", str(tmp_path / "data")]) == 0
    assert broker.output() == data
    assert any(event.context.get("encoding") == "base64" for event in broker.log("output"))


def test_a_flood_of_lines_is_unchanged_and_in_few_entries(run, broker):
    assert run(["seq", "1", "300000"]) == 0
    assert broker.output() == b"".join(b"%d\n" % number for number in range(1, 300001))
    assert broker.names("output").count("data") < 1000


def test_few_lines_are_recorded_line_by_line(run, broker):
    assert run(["printf", "a\\nb\\rc\\nd"]) == 0
    chunks = [e.context["data"] for e in broker.log("output") if "data" in e.context]
    assert chunks == ["a\n", "b\rc\n", "d"]


def test_unfinished_lines_of_stdout_wait_and_those_of_stderr_do_not(start, broker):
    job = start(["sh", "-c", "printf out; printf err >&2; read x; echo more"])
    broker.wait(lambda: broker.output("stderr") == b"err")
    assert broker.output("stdout") == b""
    answer = broker.request("stdin", ioencode.encode_data("stdin", "all", b"go\n", eof=True))
    assert answer.errnum == 0
    assert job.wait() == 0
    assert broker.output("stdout") == b"outmore\n"


def test_unbuffered_stdout(start, broker):
    options = {"output": {"stdout": {"buffer": {"type": "none"}}}}
    job = start(["sh", "-c", "printf out; sleep 1000"], options=options)
    broker.wait(lambda: broker.output("stdout") == b"out")
    job.spawned.kill(signal.SIGTERM, group=False)
    assert job.wait() == 128 + signal.SIGTERM


def test_output_beyond_the_limit_is_cut_off(run, broker):
    assert run(["seq", "1", "100"], options={"output": {"limit": 10}}) == 0
    assert broker.output() == b"1\n2\n3\n4\n5\n"
    assert broker.messages() == [
        "stdout will be truncated, 10 limit exceeded",
        "stdout: 282 of 292 bytes truncated",
    ]


def test_files_with_templates_and_labels(run, broker, tmp_path):
    stdout = {"type": "file", "path": f"{tmp_path}/out.{{{{id.dec}}}}.{{{{taskid}}}}", "label": True}
    stderr = {"type": "file", "path": f"{tmp_path}/err"}
    command = ["sh", "-c", "printf 'a\\nb\\n'; echo e >&2"]
    assert run(command, ntasks=2, options={"output": {"stdout": stdout, "stderr": stderr}}) == 0
    for task in (0, 1):
        (path,) = tmp_path.glob(f"out.*.{task}")
        assert path.read_text() == f"{task}: a\n{task}: b\n"
    assert sorted((tmp_path / "err").read_text().splitlines()) == ["0: e", "1: e"]
    redirects = [event.context for event in broker.log("output") if event.name == "redirect"]
    assert [(r["stream"], r["rank"]) for r in redirects] == [("stdout", "[0-1]"), ("stderr", "[0-1]")]
    assert redirects[0]["path"].endswith(".{{taskid}}")
    assert "data" not in broker.names("output")


def test_labels_in_a_file_begin_lines(run, tmp_path):
    """Whatever tasks and streams do not finish, and however their output comes."""
    path = {"type": "file", "path": str(tmp_path / "out"), "label": True, "buffer": {"type": "none"}}
    script = "printf x; printf y >&2; printf z; echo; printf last"
    assert run(["sh", "-c", script], ntasks=2, options={"output": {"stdout": path, "stderr": path}}) == 0
    lines = (tmp_path / "out").read_text().splitlines()
    assert {line[:3] for line in lines} == {"0: ", "1: "}
    for task in "01":
        text = "".join(line[3:] for line in lines if line[0] == task)
        assert sorted(text) == sorted("xyzlast")
        assert ":" not in text


def test_append_and_truncate(run, tmp_path):
    for mode, wanted in (("truncate", "x\n"), ("append", "x\nx\n"), ("truncate", "x\n")):
        output = {"mode": mode, "stdout": {"type": "file", "path": str(tmp_path / "out")}}
        assert run(["echo", "x"], options={"output": output}) == 0
        assert (tmp_path / "out").read_text() == wanted


def test_a_shell_message_goes_to_the_stderr_file(run, broker, tmp_path):
    output = {"stderr": {"type": "file", "path": str(tmp_path / "err")}}
    assert run(["no-such-program"], options={"output": output}) == 127
    text = "task 0 (host testhost): start failed: no-such-program: No such file or directory"
    assert (tmp_path / "err").read_text() == f"flux-shell[0]: FATAL: {text}\n"
    assert broker.messages() == []


def test_an_output_file_that_cannot_be_opened(run, broker):
    output = {"stdout": {"type": "file", "path": "/no/such/dir/out"}}
    assert run(["true"], options={"output": output}) == 1
    (exception,) = broker.exceptions
    assert exception["note"] == "error opening output file '/no/such/dir/out': No such file or directory"


def test_the_exit_code_of_a_failed_shell_is_its_own(start, broker):
    jobs = []
    broker.terminate = lambda: jobs[0].pid
    broker.hold_commits = True
    jobs.append(start(["true"], options={"output": {"stdout": {"type": "file", "path": "/no/such/dir/out"}}}))
    broker.release_commits()
    assert jobs[0].wait() == 1


def test_input_goes_to_the_tasks_and_the_log(start, broker):
    job = start(["cat"], ntasks=2)
    broker.wait(lambda: "shell.init" in broker.names("exec.eventlog"))
    assert broker.request("stdin", ioencode.encode_data("stdin", "all", b"all\n")).errnum == 0
    one = ioencode.encode_data("stdin", "1", b"\xff\n", eof=True)
    assert broker.request("stdin", one, matchtag=2).errnum == 0
    assert broker.request("stdin", one, matchtag=3).errnum == errno.ENOSYS
    end = ioencode.encode_data("stdin", "0", None, eof=True)
    assert broker.request("stdin", end, matchtag=4).errnum == 0
    assert job.wait() == 0
    assert broker.output(rank=0) == b"all\n"
    assert broker.output(rank=1) == b"all\n\xff\n"
    assert broker.names("input") == ["header", "data", "data", "data"]


def test_much_input_waits_for_the_task(start, broker, tmp_path):
    command = ["sh", "-c", "while ! [ -e go ]; do read -r line || exit 1; echo got; : > go; done; wc -c"]
    job = start(command, cwd=str(tmp_path))
    broker.wait(lambda: "shell.init" in broker.names("exec.eventlog"))
    block = b"x" * 65535 + b"\n"
    for tag in range(1, 33):
        last = tag == 32
        answer = broker.request("stdin", ioencode.encode_data("stdin", "all", block, eof=last), matchtag=tag)
        assert answer.errnum == 0
    assert job.wait() == 0
    lines = broker.output().split()
    assert lines[0] == b"got"


def test_too_much_input_ends_the_job(start, broker):
    job = start(["cat"], options={"input": {"limit": 5}})
    broker.wait(lambda: "shell.init" in broker.names("exec.eventlog"))
    broker.notify("stdin", ioencode.encode_data("stdin", "all", b"123456"))
    assert job.wait() == 1
    assert "stdin exceeds 5 limit" in broker.exceptions[0]["note"]


def test_input_goes_on_while_the_job_is_being_ended(start, broker):
    broker.hold_commits = True  # so that the failing shell has something to wait for
    job = start(["cat"], options={"input": {"limit": 5}})
    broker.wait(lambda: "shell.init" in broker.names("exec.eventlog"))
    block = ioencode.encode_data("stdin", "all", b"123456")
    for tag in range(1, 4):
        broker.notify("stdin", block, matchtag=tag)
    broker.wait(lambda: "stdin exceeds" in "".join(broker.messages()))
    broker.release_commits()
    assert job.wait() == 1
    assert job.errors == ""
    assert len(broker.exceptions) == 1
    assert {msg.errnum for msg in broker.responses} <= {errno.ENOSYS}


def test_a_stranger_is_refused(start, broker):
    job = start(["cat"])
    broker.wait(lambda: "shell.init" in broker.names("exec.eventlog"))
    context = ioencode.encode_data("stdin", "all", b"", eof=True)
    answer = broker.request("stdin", context, userid=os.getuid() + 1, rolemask=2)
    assert answer.errnum == errno.EPERM
    assert broker.request("unknown", {}, matchtag=2).errnum == errno.ENOSYS
    assert broker.request("stdin", {"stream": 1}, matchtag=3).errnum == errno.EPROTO
    assert broker.request("stdin", context, matchtag=4).errnum == 0
    assert job.wait() == 0


def test_input_from_a_file(run, broker, tmp_path):
    (tmp_path / "in").write_text("from file\n")
    stdin = {"stdin": {"type": "file", "path": str(tmp_path / "in")}}
    assert run(["cat"], ntasks=2, options={"input": stdin}) == 0
    assert broker.output() == b"from file\n" * 2
    assert broker.names("input") == ["header", "redirect"]


def test_an_input_file_that_cannot_be_read(run, broker):
    stdin = {"stdin": {"type": "file", "path": "/no/such/file"}}
    assert run(["cat"], options={"input": stdin}) == 1
    assert (
        broker.exceptions[0]["note"] == "error opening input file '/no/such/file': No such file or directory"
    )


def test_a_task_is_not_read_while_its_output_is_not_taken(start, broker):
    broker.hold_commits = True
    program = "import sys\nfor i in range(60): sys.stdout.write('x' * 999999 + '\\n')"
    job = start([sys.executable, "-c", program])
    # The last one that may be under way: what comes now gathers in the shell, up to its limit.
    broker.wait(lambda: broker.commits >= PIPELINE)
    assert broker.commits == PIPELINE
    broker.release_commits()
    assert job.wait() == 0
    assert len(broker.output()) == 60 * 1000000
    assert broker.largest < 20 << 20


@pytest.mark.parametrize("command", [["seq", "1", "100000"], ["no-such-program"]])
def test_a_log_that_cannot_be_written_is_reported_once(start, broker, command):
    broker.commit_error = errno.ENOSPC
    job = start(command)
    assert job.wait() == (0 if command[0] == "seq" else 127)
    assert job.errors == "flux-shell: job output is incomplete: kvs commit: No space left on device\n"


PMI = r"""
import os, socket
sock = socket.socket(fileno=int(os.environ["PMI_FD"])).makefile("rw")
def ask(line):
    sock.write(line + "\n"); sock.flush()
    return sock.readline().rstrip("\n")
rank = os.environ["PMI_RANK"]
print(ask("cmd=init pmi_version=1 pmi_subversion=1"))
print(ask("cmd=barrier_in"))
for what in ("maxes", "universe_size", "appnum"):
    print(ask("cmd=get_" + what))
name = ask("cmd=get_my_kvsname").rpartition("=")[2]
print(name, ask(f"cmd=put kvsname={name} key=k{rank} value=x=y {rank}"))
print(ask("cmd=barrier_in"))
print(ask(f"cmd=get kvsname={name} key=k{1 - int(rank)}"))
for word in ("k" * 64 + " value=1", "k value=" + "v" * 1024):
    print(ask(f"cmd=put kvsname={name} key={word}"))
print(ask(f"cmd=get kvsname={name} key=PMI_process_mapping"))
print(ask(f"cmd=get kvsname={name} key=flux.instance-level"))
print(ask("cmd=finalize"))
"""


@pytest.mark.rfc(13, "environment", "process-mapping", "kvs-put-get", "visible-after-barrier", "barrier")
@pytest.mark.rfc(13, "barrier-without-put", "init-version", "process-group", "length-max", "finalize")
def test_pmi(run, broker):
    assert run([sys.executable, "-c", PMI], ntasks=2) == 0
    assert broker.output(rank=0).decode().splitlines() == [
        "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1",
        "cmd=barrier_out rc=0",
        "cmd=maxes rc=0 kvsname_max=64 keylen_max=64 vallen_max=1024",
        "cmd=universe_size rc=0 size=2",
        "cmd=appnum rc=0 appnum=0",
        "ƒ2TwG5P3 cmd=put_result rc=0",
        "cmd=barrier_out rc=0",
        "cmd=get_result rc=0 value=x=y 1",
        "cmd=put_result rc=5",
        "cmd=put_result rc=7",
        "cmd=get_result rc=0 value=(vector,(0,1,2))",
        "cmd=get_result rc=0 value=1",
        "cmd=finalize_ack rc=0",
    ]


@pytest.mark.rfc(13, "abort")
def test_pmi_abort_ends_the_job(run, broker):
    program = "import os; os.write(int(os.environ['PMI_FD']), b'cmd=abort exitcode=3\\n'); os.read(0, 1)"
    assert run([sys.executable, "-c", program]) == 3
    assert broker.exceptions[0]["note"] == "PMI_Abort: aborted"


@pytest.mark.rfc(13, "protocol-error")
def test_a_pmi_line_without_end(run, broker):
    program = "import os; os.write(int(os.environ['PMI_FD']), b'a' * 100_000); os.read(0, 1)"
    assert run([sys.executable, "-c", program]) == 1
    assert broker.exceptions[0]["note"] == "PMI-1 wire protocol error: pmi: a line is longer than 65536 bytes"


def test_pmi_off(run, broker):
    assert run(["sh", "-c", "echo ${PMI_FD-unset}"], options={"pmi": "off"}) == 0
    assert broker.output() == b"unset\n"


def test_a_full_disk_is_said_once(run, broker):
    options = {"output": {"stdout": {"path": "/dev/full"}, "stderr": {"type": "kvs"}}}
    assert run(["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.01; done"], options=options) == 1
    assert broker.messages() == ["write stdout task 0 to /dev/full: No space left on device"]
