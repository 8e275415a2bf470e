# SPDX-License-Identifier: LGPL-3.0-or-later
"""The terminal of a job on a WebSocket."""

from __future__ import annotations

import pytest

from rosin import _json

from ..sockets import SocketClient

JOBS = "/rosin/v1/jobs"


def address(client, jobid, query=""):
    return f"{str(client.base_url).replace('http://', 'ws://').rstrip('/')}{JOBS}/{jobid}/terminal?{query}"


async def attached(client, jobid, query=""):
    """A terminal of a job, whose shell has begun."""
    while "shell.start" not in {
        event["name"] for event in (await client.get(f"{JOBS}/{jobid}/timeline")).json()["items"]
    }:
        pass
    socket = await SocketClient.open(address(client, jobid, query))
    assert socket.status == 101
    return socket


async def until(socket, needle):
    shown = b""
    while needle not in shown:
        more = await socket.hear()
        assert isinstance(more, bytes | bytearray), (shown, more, socket.code, socket.reason)
        shown += more
    return shown


async def test_what_is_typed_is_read_and_shown(served):
    script = "read x; stty size; echo got $x; read y"
    job = {"command": ["sh", "-c", script], "pty": True}
    jobid = (await served.post(JOBS, json=job)).json()["id"]
    socket = await attached(served, jobid, "columns=91&rows=17")
    other = await attached(served, jobid, "columns=80&rows=30")  # two may look at the same
    other.say(b"e")
    await until(socket, b"e")
    socket.say({"resize": {"columns": 70, "rows": 20}})
    socket.say("ŧext\n".encode())
    shown = await until(socket, "got eŧext".encode())
    assert b"20 70" in shown
    await until(other, "got eŧext".encode())
    await other.close()
    socket.say(b"\n")
    while isinstance(last := await socket.hear(), bytes | bytearray):
        pass
    assert "exit" in _json.loads(last)
    await socket.close()


@pytest.mark.parametrize("message", ["x", '{"resize":{}}', '{"resize":{"columns":0,"rows":1}}', "[" * 5000])
async def test_what_is_said_wrongly_ends_it(served, message):
    jobid = (await served.post(JOBS, json={"command": ["cat"], "pty": True})).json()["id"]
    socket = await attached(served, jobid)
    socket.say(message)
    while await socket.hear() is not None:
        pass
    assert (socket.code, "resize" in str(socket.reason) or "window" in str(socket.reason)) == (1008, True)
    await socket.close()
    await served.post(f"{JOBS}/{jobid}/cancel")


async def test_a_job_without_one_says_so(served):
    jobid = (await served.post(JOBS, json={"command": ["true"], "urgency": 0})).json()["id"]
    for ident, query, words in (
        (jobid, "", "not running"),
        ("99", "", "no job"),
        ("x", "", "not a job id"),
        (jobid, "colums=3", "colums"),
        (jobid, "columns=0", "window"),
        (jobid, "columns=" + "9" * 50, "window"),
    ):
        socket = await SocketClient.open(address(served, ident, query))
        assert await socket.hear() is None
        assert (socket.code, words in str(socket.reason)) == (1008, True), socket.reason
        await socket.close()
    await served.post(f"{JOBS}/{jobid}/cancel")
