# SPDX-License-Identifier: LGPL-3.0-or-later
"""A shell in the tests' own process, with real tasks, against the small broker."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.shell.conftest import JOBID, FakeBroker, make_jobspec, make_R

from rosin import _json
from rosin.rfc import sign
from rosin.rfc.message import Message
from rosin.shell import main, shell, tasks

pytestmark = pytest.mark.usefixtures("own_process")


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the shell's hands off what belongs to the tests: other children, signals, directory, binding."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    directory = os.getcwd()
    strays: list[int] = []
    close = tasks.Tasks.close

    def reap_and_close(self: tasks.Tasks) -> None:
        for task in self._shell.tasks:
            if task.child is not None:
                task.child.kill(signal.SIGKILL)
                task.child.wait()
        close(self)

    monkeypatch.setattr(tasks.Tasks, "close", reap_and_close)
    monkeypatch.setattr(shell, "set_child_subreaper", lambda: None)
    monkeypatch.setattr(shell, "end_descendants", lambda grace: None)
    for module in (shell, tasks):
        monkeypatch.setattr(module, "signal_descendants", strays.append)
    yield
    os.chdir(directory)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


Life = Callable[..., int]


@pytest.fixture
def live(broker: FakeBroker) -> Life:
    """``live(command, options, ...)`` runs a shell; ``early`` hands over what is known."""

    def live(
        command: list[str], options: dict[str, Any] | None = None, early: bool = False, **kwargs: Any
    ) -> int:
        ntasks, nodes = kwargs.pop("ntasks", 1), kwargs.pop("nodes", 0)
        kwargs["shell"] = {"options": {"cpu-affinity": "off", **(options or {})}}
        spec = make_jobspec(command, ntasks, **kwargs)
        broker.J = sign.wrap(_json.dumps(spec), os.getuid())
        broker.R = make_R(ntasks)
        if nodes:
            execution = broker.R["execution"]
            execution["R_lite"] = [{"rank": f"0-{nodes - 1}", "children": {"core": "0"}}]
            execution["nodelist"] = [f"n[0-{nodes - 1}]"]
        argv = ["rosin-shell", str(JOBID)]
        if early:
            handed = {"jobspec": spec, "R": broker.R, "rank": 0, "attrs": broker.attrs}
            argv[1:1] = [f"--init={_json.dumps(handed).decode()}"]
        return main.main(argv, {"FLUX_URI": broker.uri, "PATH": os.environ["PATH"]})

    return live


@pytest.mark.parametrize("early", [False, True])
def test_from_the_first_request_to_the_exit_code(live: Life, broker: FakeBroker, early: bool) -> None:
    command = ["sh", "-c", "read line; echo $line $FLUX_TASK_RANK; exit 3"]
    broker.on_init = lambda: broker.notify("stdin", {"stream": "stdin", "rank": "all", "data": "hi\n"})
    assert live(command, early=early, ntasks=2) == 3
    assert broker.names("exec.eventlog") == ["shell.init", "shell.start", "shell.task-exit"]
    assert [broker.output("stdout", rank) for rank in (0, 1)] == [b"hi 0\n", b"hi 1\n"]


def test_a_program_that_cannot_be_run(live: Life, broker: FakeBroker) -> None:
    assert live(["no-such-program"]) == 127
    text = "task 0 (host testhost): start failed: no-such-program: No such file or directory"
    assert [exception["note"] for exception in broker.exceptions] == [text]
    assert broker.messages() == [text]


def test_a_directory_that_is_missing(live: Life, broker: FakeBroker) -> None:
    assert live(["pwd"], cwd="/no/such") == 0
    assert broker.output() == b"/tmp\n"
    assert "Going to /tmp instead" in broker.messages()[0]


def test_one_tasks_end_ends_the_others(live: Life, broker: FakeBroker) -> None:
    command = ["sh", "-c", "test $FLUX_TASK_RANK = 1 && exit 5; exec sleep 1000"]
    assert live(command, {"exit-on-error": 1}, ntasks=2) == 5
    (exception,) = broker.exceptions
    assert exception["wait_status"] == 5 << 8
    assert exception["note"].endswith("failed (Exit 5) and exit-on-error is set")


def test_a_signal_of_the_job(live: Life, broker: FakeBroker) -> None:
    broker.signals = [[1, int(signal.SIGUSR2)]]
    assert live(["sleep", "1000"]) == 128 + signal.SIGUSR2


def test_a_signal_of_the_shell_is_passed_on(live: Life, broker: FakeBroker) -> None:
    broker.on_start = lambda: os.kill(os.getpid(), signal.SIGTERM)
    assert live(["sleep", "1000"], {"verbose": 1}) == 128 + signal.SIGTERM
    assert "forwarding signal 15 to tasks" in broker.messages()


def test_a_lost_broker(live: Life, broker: FakeBroker, capsys: pytest.CaptureFixture[str]) -> None:
    broker.on_start = broker.drop
    assert live(["sleep", "1000"]) == 128 + signal.SIGTERM
    assert "Lost connection" in capsys.readouterr().err


def test_another_shell_loses_its_broker(live: Life, broker: FakeBroker) -> None:
    """It cannot tell the leader of the end of its tasks, and ends all the same."""

    class Requests(list[Any]):
        def append(self, request: Any) -> None:
            if request[0] == "write":
                broker.drop()

    broker.attrs["rank"] = "1"
    broker.peer_requests = Requests()
    assert live(["sh", "-c", "echo up; exec sleep 1000"], ntasks=2, nodes=2) == 128 + signal.SIGTERM


def test_a_commit_that_fails(live: Life, broker: FakeBroker, capsys: pytest.CaptureFixture[str]) -> None:
    broker.commit_error = errno.ENOSPC
    assert live(["echo", "x"]) == 0
    text = "flux-shell: job output is incomplete: kvs commit: No space left on device\n"
    assert capsys.readouterr().err == text


def test_a_service_that_is_taken(live: Life, broker: FakeBroker) -> None:
    broker.refused = {"service.add": errno.EEXIST}
    assert live(["true"]) == 1
    assert broker.exceptions[0]["note"] == "flux_service_register: File exists"


def test_an_exception_that_cannot_be_raised(
    live: Life, broker: FakeBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.refused = {"job-manager.raise": errno.EPERM}
    assert live(["true"], {"verbose": "x"}) == 1
    assert "failed to raise job exception: Operation not permitted" in capsys.readouterr().err


def test_the_leader_of_two_shells(live: Life, broker: FakeBroker) -> None:
    context = {"stream": "stdout", "rank": "1", "data": "there\n"}

    def other() -> None:
        broker.notify("write", {"name": "data", "shell_rank": 1, "context": context})
        broker.notify("tasks-complete", {"shell_rank": 1})

    broker.on_start = other
    assert live(["echo", "here"], ntasks=2, nodes=2) == 0
    first, second = (n for n, topic in enumerate(broker.requests) if topic == "job-exec.shell-barrier")
    assert "kvs.commit" in broker.requests[first:second]  # shell.init, for whoever follows the job
    assert broker.output("stdout", 0) == b"here\n"
    assert broker.output("stdout", 1) == b"there\n"
    assert broker.names("exec.eventlog") == ["shell.init", "shell.start", "shell.task-exit"]


def test_another_shell(live: Life, broker: FakeBroker) -> None:
    broker.attrs["rank"] = "1"
    assert live(["sh", "-c", "echo $FLUX_TASK_RANK; exit 2"], ntasks=2, nodes=2) == 2
    sent = [(name, args) for name, args in broker.peer_requests if name != "write"]
    assert [name for name, _ in sent] == ["doom", "tasks-complete"]
    assert sent[0][1]["exitcode"] == 2
    written = [args["context"] for name, args in broker.peer_requests if name == "write"]
    assert {"stream": "stdout", "rank": "1", "data": "1\n"} in written
    assert broker.names("exec.eventlog") == []


def test_another_shell_that_fails(live: Life, broker: FakeBroker) -> None:
    """The leader hears of it, else it would wait for the tasks of that shell."""
    broker.attrs["rank"] = "1"
    words = "echo cmd=init pmi_version=1 pmi_subversion=1; echo cmd=abort exitcode=7"
    abort = f"{{ {words}; }} >&$PMI_FD; sleep 1000"
    assert live(["bash", "-c", abort], ntasks=2, nodes=2) == 7
    assert [name for name, _ in broker.peer_requests if name != "write"] == ["tasks-complete"]
    assert [exception["note"] for exception in broker.exceptions] == ["PMI_Abort: aborted"]


@pytest.mark.parametrize(("errnum", "notes"), [(errno.EIO, []), (errno.ETIMEDOUT, ["shell_barrier: late"])])
def test_a_shell_that_never_comes(live: Life, broker: FakeBroker, errnum: int, notes: list[str]) -> None:
    broker.barrier = errnum
    assert live(["true"], ntasks=2, nodes=2) == 1
    assert [exception["note"] for exception in broker.exceptions] == notes


def test_the_end_of_the_job_while_a_shell_waits_for_others(
    live: Life, broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_msg: Message) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(broker, "_do_job_exec_shell_barrier", end)
    assert live(["true"], ntasks=2, nodes=2) == 1
    assert broker.exceptions == []
    assert signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN)


def test_a_node_without_a_task(live: Life, broker: FakeBroker, tmp_path: Path) -> None:
    broker.attrs["rank"] = "1"
    (tmp_path / "hosts").write_text("n0\nn0\n")
    options = {"taskmap": {"scheme": "hostfile", "value": str(tmp_path / "hosts")}}
    assert live(["true"], options, ntasks=2, nodes=2) == 0, broker.exceptions
    assert [name for name, _ in broker.peer_requests] == ["tasks-complete"]


def test_a_terminal(live: Life, broker: FakeBroker) -> None:
    assert live(["sh", "-c", "test -t 0 && test -t 2 && echo $FLUX_TERMINUS_SESSION"], {"pty": 1}) == 0
    assert broker.output() == b"0\r\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "expected exactly one job id"),
        (["--init"], "option --init needs a value"),
        (["--init", "{", "1"], "--init: not valid JSON: "),
        (["--init", "[]", "1"], "--init: not a JSON object"),
        (["--init-fd", "9999", "1"], "--init-fd 9999: Bad file descriptor"),
        (["--bogus"], "unknown option --bogus"),
    ],
)
def test_what_is_no_command_line(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["rosin-shell", *words], {}) == 1
    assert capsys.readouterr().err.startswith(f"flux-shell: {text}")


def test_no_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["rosin-shell", "1"], {"FLUX_URI": "local:///nowhere"}) == 1
    assert capsys.readouterr().err.startswith("flux-shell: Unable to connect to Flux: ")
