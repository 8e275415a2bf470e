# SPDX-License-Identifier: LGPL-3.0-or-later
"""What clients do beside the tasks of a shell, in the tests' own process: commands and terminals."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

import pytest
from tests.shell.conftest import FakeBroker
from tests.shell.test_life import Life, live, own_process

from rosin.remote import protocol
from rosin.rfc.message import Message

__all__ = ["live", "own_process"]
pytestmark = pytest.mark.usefixtures("own_process")

END = {"stream": "stdin", "rank": "all", "eof": True}
SIZE = {"rows": 10, "cols": 20}


class Script:
    """Sends requests one after the other, each when the one before is over; then the input of the tasks ends.

    A step is (method, payload, whether it streams); its answers are kept: payloads, or the error's number."""

    def __init__(self, broker: FakeBroker, *steps: tuple[str, Any, bool]) -> None:
        self._broker = broker
        self._steps = list(steps)
        self.answers: list[Any] = []
        broker.on_start = self._next
        broker.on_response = self._answered

    def _next(self) -> None:
        method, payload, streaming = self._steps.pop(0) if self._steps else ("stdin", END, False)
        self.answers.append([])
        self._broker.notify(method, payload, matchtag=100 + len(self.answers), streaming=streaming)

    def _answered(self, msg: Message) -> None:
        if msg.topic.endswith(".stdin"):
            return
        self.answers[msg.matchtag - 101].append(msg.errnum or (msg.args if msg.has_payload else None))
        if msg.matchtag == 100 + len(self.answers) and (msg.errnum or not msg.streaming):
            self._next()


def run(command: list[str], *args: Any) -> dict[str, Any]:
    return protocol.exec_request(protocol.command(command, {}, *args))


def test_a_command_has_the_environment_of_the_job(live: Life, broker: FakeBroker) -> None:
    command = ["sh", "-c", "echo $FLUX_JOB_SIZE $CUDA_VISIBLE_DEVICES; exit 3"]
    script = Script(broker, ("rexec.exec", run(command), True), ("rexec.list", None, False))
    assert live(["cat"]) == 0
    started, *rest = script.answers[0]
    assert started["pid"] > 0
    payloads = [answer for answer in rest if isinstance(answer, dict)]
    written = [answer["io"]["data"] for answer in payloads if "data" in answer.get("io", {})]
    assert written == ["1 -1\n"]
    assert [answer["status"] for answer in payloads if "status" in answer] == [3 << 8]
    assert rest[-1] == errno.ENODATA
    assert script.answers[1][0]["procs"] == []


def test_a_command_ends_with_the_tasks(live: Life, broker: FakeBroker) -> None:
    def started(msg: Message) -> None:
        if msg.has_payload and not msg.errnum and msg.args.get("type") == "started":
            broker.notify("stdin", END)

    broker.on_start = lambda: broker.notify("rexec.exec", run(["sleep", "1000"]), streaming=True)
    broker.on_response = started
    assert live(["cat"], {"rexec-shutdown-timeout": "50s"}) == 0
    payloads = [msg.args for msg in broker.responses if msg.has_payload and not msg.errnum]
    (status,) = [payload["status"] for payload in payloads if "status" in payload]
    assert status == signal.SIGTERM


@pytest.mark.parametrize("known", [True, False, None])
def test_output_waits_until_the_client_has_read(live: Life, broker: FakeBroker, known: bool | None) -> None:
    """The broker is asked; with flux-core's, which does not know, and one that fails, all is sent."""
    size, most = 8 << 20, 2 << 20
    ways: list[Any] = []

    def taken(msg: Message) -> None:
        ways.append(msg.args["route"])
        if known:
            broker._answer(msg, {"share": most})
        else:
            broker._answer(msg, None, errno.ENOSYS if known is False else errno.EIO)

    vars(broker)["_do_overlay_drain"] = taken
    script = Script(broker, ("rexec.exec", run(["head", "-c", str(size), "/dev/zero"]), True))
    assert live(["cat"]) == 0
    payloads = [answer for answer in script.answers[0] if isinstance(answer, dict)]
    chunks = [answer["io"] for answer in payloads if "data" in answer.get("io", {})]
    assert sum(len(io["data"]) for io in chunks) >= size
    assert len(ways) >= (2 if known else 1)
    assert ways[0] == [hop.decode("latin-1") for hop in broker.responses[0].route]


@pytest.mark.parametrize(
    ("method", "payload", "errnum"),
    [
        ("rexec.kill", {"pid": 1, "signum": 9}, errno.ESRCH),
        ("rexec.exec", run(["/no/such"]), errno.ENOENT),
        ("rexec.wait", {"pid": 1}, errno.ESRCH),
        ("terminus.kill", {"id": 3, "signal": 9}, errno.ENOENT),
        ("terminus.new", {"cmd": ["/no/such"]}, errno.ENOENT),
        ("terminus.new", {"cmd": ["sh"], "environ": {"A": 1}}, errno.EPROTO),
        ("terminus.0", {"type": "attach"}, errno.ENOSYS),
        ("nothing", {}, errno.ENOSYS),
    ],
)
def test_requests_that_are_refused(
    live: Life, broker: FakeBroker, method: str, payload: Any, errnum: int
) -> None:
    script = Script(broker, (method, payload, True))
    assert live(["cat"]) == 0
    assert script.answers[0] == [errnum]


@pytest.mark.parametrize("method", ["rexec.list", "rexec.exec", "terminus.list"])
def test_only_the_jobs_user_may(live: Life, broker: FakeBroker, method: str) -> None:
    broker.on_start = lambda: broker.notify(method, {}, userid=os.getuid() + 1)
    broker.on_response = lambda msg: None if msg.topic.endswith(".stdin") else broker.notify("stdin", END)
    assert live(["cat"]) == 0
    assert broker.responses[0].errnum == errno.EPERM


def test_only_signed_requests(live: Life, broker: FakeBroker) -> None:
    script = Script(broker, ("rexec.exec", run(["true"]), True))
    assert live(["cat"], {"rexec": {"sign-required": 1}}) == 0
    assert script.answers[0] == [errno.EPERM]


@pytest.mark.parametrize("value", ["soon", [], True])
def test_what_is_no_time(live: Life, broker: FakeBroker, value: Any) -> None:
    assert live(["true"], {"rexec-shutdown-timeout": value}) == 1
    assert "is not a valid Flux Standard Duration: expected" in broker.exceptions[0]["note"]


def attach(mode: str = "rw") -> dict[str, Any]:
    return {"type": "attach", "mode": mode, "winsize": SIZE}


def test_a_client_of_a_tasks_terminal(live: Life, broker: FakeBroker) -> None:
    """An interactive task waits for it; what it may not do is refused."""
    script = Script(
        broker,
        ("terminus.0", attach("xx"), True),
        ("terminus.0", attach(), False),
        ("terminus.0", {"type": "attach", "mode": "ro"}, True),
    )
    script._steps[2] = ("terminus.0", {"type": "dance"}, False)
    requests: list[dict[str, Any]] = [
        attach(),
        {"type": "resize", "winsize": {"rows": 0, "cols": 1}},
        {"type": "resize", "winsize": {"rows": 30, "cols": 70}},
        {"type": "dance"},
        {"type": "data", "data": "exit 4\n"},
    ]
    answered = broker.on_response

    def client(msg: Message) -> None:
        if msg.matchtag < 100:
            return
        answered(msg)
        if msg.matchtag == 103:
            broker.notify("terminus.0", attach(), matchtag=7, streaming=True)
            for number, request in enumerate(requests, 20):
                broker.notify("terminus.0", request, matchtag=number, streaming=number == 20)

    broker.on_response = client
    assert live(["sh"], {"pty": {"interactive": 1}}) == 4
    assert broker.log("exec.eventlog")[0].context["pty"] == "terminus.0"
    assert [answers[0] for answers in script.answers[:3]] == [errno.EPROTO, errno.EPROTO, errno.ENOENT]
    by_tag = {msg.matchtag: msg.errnum for msg in broker.responses if 20 <= msg.matchtag < 30}
    assert by_tag == {20: errno.EEXIST, 21: errno.EINVAL, 22: 0, 23: errno.ENOSYS, 24: 0}
