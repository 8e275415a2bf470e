# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: its example, local flags, signed requests and who is refused."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Any

import pytest

from rosin import _json
from rosin.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from rosin.rfc import sign
from rosin.testing.instance import Instance

pytestmark = pytest.mark.system

#: The example; the client asks for the small buffer that it shows.
CMD = {
    "cwd": "/tmp",
    "cmdline": ["printf", "system76-pc\\n"],
    "env": {"PATH": "/bin:/usr/bin:/home/test/bin"},
    "opts": {"stdin_BUFSIZE": "4096"},
    "channels": [],
}
REQUEST = {"cmd": CMD, "flags": 11}


async def conversation(inst: Instance, request: dict[str, Any]) -> list[dict[str, Any]]:
    h = await inst.connect()
    return [answer async for answer in h.rpc("rexec.exec", request, flags=FLUX_RPC_STREAMING)]


@pytest.mark.rfc_vectors(42)
@pytest.mark.parametrize(
    "expected",
    [
        {"type": "add-credit", "channels": {"stdin": 4096}},
        {"type": "started"},
        {"type": "output", "io": {"stream": "stdout", "rank": "0", "data": "system76-pc\n"}},
        {"type": "output", "io": {"stream": "stderr", "rank": "0", "eof": True}},
        {"type": "output", "io": {"stream": "stdout", "rank": "0", "eof": True}},
        {"type": "finished", "status": 0},
    ],
    ids=lambda answer: answer["type"],
)
async def test_example(inst: Instance, expected: dict[str, Any]) -> None:
    answers = await conversation(inst, REQUEST)
    pid = answers[0]["pid"]
    with_pid = {**expected, "pid": pid} if expected["type"] in ("started", "output") else expected
    assert answers.count(with_pid) == 1
    assert len(answers) == 6


@pytest.mark.rfc_vectors(42)
async def test_example_of_a_request(inst: Instance) -> None:
    request = {
        "cmd": {**CMD, "cwd": "/", "cmdline": ["hostname"], "opts": {}},
        "flags": 11,
    }
    answers = await conversation(inst, request)
    output = [answer["io"].get("data", "") for answer in answers if answer["type"] == "output"]
    assert "".join(output) == os.uname().nodename + "\n"


@pytest.mark.rfc(42, "cmd-cwd")
async def test_without_a_directory_it_is_the_servers(inst: Instance) -> None:
    cmd = {key: value for key, value in CMD.items() if key != "cwd"} | {"cmdline": ["pwd"]}
    answers = await conversation(inst, {"cmd": cmd, "flags": 3})
    assert any(answer.get("io", {}).get("data") == os.getcwd() + "\n" for answer in answers)


@pytest.mark.rfc(42, "no-setpgrp")
@pytest.mark.parametrize(("local_flags", "own"), [(0, True), (2, False)])
async def test_process_group(inst: Instance, local_flags: int, own: bool) -> None:
    code = "import os; print(os.getpgrp() == os.getpid())"
    cmd = {**CMD, "cmdline": [sys.executable, "-c", code]}
    answers = await conversation(inst, {"cmd": cmd, "flags": 3, "local_flags": local_flags})
    assert any(answer.get("io", {}).get("data") == f"{own}\n" for answer in answers)


@pytest.mark.rfc(42, "stdio-fallthrough")
async def test_standard_streams_of_the_server(inst: Instance) -> None:
    reader, writer = os.pipe()
    kept = [os.dup(n) for n in (0, 1, 2)]
    try:
        for n in (0, 1, 2):
            os.dup2(writer, n)
        cmd = {**CMD, "cmdline": ["sh", "-c", "printf 'out '; printf err >&2"]}
        answers = await conversation(inst, {"cmd": cmd, "flags": 3, "local_flags": 1})
    finally:
        for n in (0, 1, 2):
            os.dup2(kept[n], n)
            os.close(kept[n])
        os.close(writer)
    assert [answer["type"] for answer in answers] == ["started", "finished"]
    assert os.read(reader, 100) == b"out err"
    os.close(reader)


@pytest.mark.rfc(42, "attach-denied")
async def test_guests_cannot_attach(inst: Instance) -> None:
    h, guest = await inst.connect(), await inst.connect(userid=12345)
    cmd = {**CMD, "cmdline": ["sleep", "1000"], "label": "bg"}
    await h.rpc("rexec.exec", {"cmd": cmd, "flags": 0})
    with pytest.raises(PermissionError):
        await guest.rpc("rexec.attach", {"pid": -1, "label": "bg", "flags": 1}, flags=FLUX_RPC_STREAMING)
    await h.rpc("rexec.kill", {"pid": -1, "label": "bg", "signum": signal.SIGKILL})


@pytest.mark.rfc(42, "signed")
async def test_only_the_signed_object_counts(inst: Instance) -> None:
    inner = {**REQUEST, "topic": "rexec.exec"}
    other = {"cmd": {**CMD, "cmdline": ["/nonexistent"]}, "flags": 0}
    answers = await conversation(inst, {**other, "signature": sign.wrap(_json.dumps(inner), os.getuid())})
    assert {"type": "finished", "status": 0} in answers


@pytest.mark.rfc(42, "signature-invalid")
async def test_a_signed_object_is_checked_as_any(inst: Instance) -> None:
    inner = {"flags": 0, "topic": "rexec.exec"}
    h = await inst.connect()
    with pytest.raises(OSError, match="cmd") as error:
        await h.rpc("rexec.exec", {**REQUEST, "signature": sign.wrap(_json.dumps(inner), os.getuid())})
    assert error.value.errno == errno.EPROTO


@pytest.mark.rfc(42, "signature-type", "signature-bad", "signature-user", "signature-topic")
@pytest.mark.parametrize(
    ("signature", "errnum"),
    [
        (1, errno.EPROTO),
        ("x.y.none", errno.EPERM),
        (sign.wrap(_json.dumps({**REQUEST, "topic": "rexec.exec"}), os.getuid() + 1), errno.EPERM),
        (sign.wrap(_json.dumps({**REQUEST, "topic": "rexec.kill"}), os.getuid()), errno.EPERM),
        (sign.wrap(_json.dumps(REQUEST), os.getuid()), errno.EPERM),
    ],
    ids=["no text", "no signature", "another user's", "for another method", "for no method"],
)
async def test_signatures_that_are_refused(inst: Instance, signature: Any, errnum: int) -> None:
    h = await inst.connect()
    with pytest.raises(OSError) as error:
        await h.rpc("rexec.exec", {**REQUEST, "signature": signature})
    assert error.value.errno == errnum


@pytest.mark.rfc(42, "cmd-strings", "cmd-label")
@pytest.mark.parametrize("change", [{"env": {"A": 1}}, {"opts": {"a": 1}}, {"label": ""}])
async def test_commands_that_are_refused(inst: Instance, change: dict[str, Any]) -> None:
    h = await inst.connect()
    with pytest.raises(OSError) as error:
        await h.rpc("rexec.exec", {"cmd": {**CMD, **change}, "flags": 0})
    assert error.value.errno == errno.EPROTO


@pytest.mark.rfc(42, "cmd-msgchans", "buffer-minimum")
async def test_message_channels_and_buffers(inst: Instance) -> None:
    channel = {"name": "CHANNEL", "uri": "local:///x"}
    cmd = {**CMD, "cmdline": ["sh", "-c", "echo $CHANNEL"], "opts": {}, "msgchan": [channel]}
    answers = await conversation(inst, {"cmd": cmd, "flags": 11})
    assert "local:///x\n" in [answer["io"].get("data") for answer in answers if answer["type"] == "output"]
    (credit,) = [answer["channels"]["stdin"] for answer in answers if answer["type"] == "add-credit"]
    assert credit >= 4096


@pytest.mark.rfc(42, "signature-required")
async def test_a_server_of_another_user_wants_signatures() -> None:
    owner = str(os.getuid() + 1)
    async with Instance(["rexec"], attrs={"security.owner": owner}, clock="real") as inst:
        h = await inst.connect()
        for topic, payload in (("exec", REQUEST), ("kill", {"pid": 1, "signum": 0}), ("wait", {"pid": 1})):
            with pytest.raises(PermissionError, match="signature required"):
                await h.rpc(f"rexec.{topic}", payload)


@pytest.mark.rfc(42, "signed-write", "write-no-response")
async def test_a_write_that_is_not_authentic_is_dropped(inst: Instance) -> None:
    h = await inst.connect()
    cmd = {**CMD, "cmdline": ["cat"]}
    process = h.rpc("rexec.exec", {"cmd": cmd, "flags": 3}, flags=FLUX_RPC_STREAMING)

    def write(data: str, topic: str, eof: bool = False) -> None:
        io = {"stream": "stdin", "rank": "0", "data": data, "eof": eof}
        inner = {"matchtag": process.matchtag, "io": io, "topic": topic}
        signature = sign.wrap(_json.dumps(inner), os.getuid())
        h.rpc("rexec.write", {"signature": signature}, flags=FLUX_RPC_NORESPONSE)

    write("forged\n", "rexec.kill")
    write("real\n", "rexec.write", eof=True)
    answers = [answer async for answer in process]
    data = [answer["io"]["data"] for answer in answers if "data" in answer.get("io", {})]
    assert data == ["real\n"]
