# SPDX-License-Identifier: LGPL-3.0-or-later
"""`rosin.client` and `rosin remote` against a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from rosin.client import ApiError, AsyncClient, Client
from rosin.client.place import place_of
from rosin.testing.process import RealInstance
from rosin.testing.terminal import Terminal

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def url():
    with RealInstance() as instance:
        command = [sys.executable, "-m", "rosin", "serve", "--port", "0"]
        env = {**os.environ, "FLUX_URI": instance.uri}
        server = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        try:
            yield server.stderr.readline().split()[2].rstrip("/")
        finally:
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=30)
            assert "Traceback" not in log, log


@pytest.fixture
def client(url):
    with Client(url) as made:
        yield made


def remote(url, *words, stdin=None, status=0):
    env = {**os.environ, "ROSIN_URL": url}
    command = [sys.executable, "-m", "rosin", "remote", *words]
    done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, timeout=50)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def test_a_job_from_submission_to_output(client):
    jobid = client.submit(command=["sh", "-c", "echo out; echo err >&2; exit 3"], name="mine")["id"]
    job = client.wait(jobid)
    assert (job["result"], job["returncode"], job["name"]) == ("FAILED", 3, "mine")
    assert b"".join(client.output(jobid, stream="stdout")) == b"out\n"
    assert [line["text"] for line in client.lines(jobid, stream="stderr")["items"]] == ["err"]
    assert [event["name"] for event in client.timeline(jobid)][-1] == "clean"
    assert client.jobs(id=jobid, fields="name")["items"] == [{"id": jobid, "name": "mine"}]
    assert jobid in [each["id"] for each in client.each_job(limit=1, q="name:mine")]
    again = client.resubmit(jobid, duration="1h")["id"]
    assert client.wait(again)["duration"] == 3600.0


def test_one_is_controlled(client):
    jobid = client.submit(command="sleep 600", urgency=0)["id"]
    assert client.why(jobid)["sentences"] == ["it is held: its urgency is 0"]
    assert client.urgency(jobid, 0)["result"]["old_urgency"] == 0
    assert client.update(jobid, duration="2h")["result"]["updates"]
    client.hold(jobid)
    assert client.cancel(jobid, "enough")["action"] == "cancel"
    assert client.wait(jobid)["exception"]["note"].startswith("enough")
    with pytest.raises(ApiError) as caught:
        client.release(jobid)
    assert caught.value.status == 409


def test_what_is_wrong_is_told_by_member(client):
    with pytest.raises(ApiError) as caught:
        client.submit(command=["true"], ntasks=0)
    assert (caught.value.status, caught.value.errors[0]["field"]) == (422, "ntasks")
    found = client.check(command=["true"], nnodes=99)
    assert (found["ok"], found["errors"][0]["field"]) == (False, "nnodes")
    assert client.submit_many([{"command": "true"}, {}])["failed"] == 1


def test_the_same_key_submits_once(client):
    asked = [client.submit(key="k-1", command=["true"])["id"] for _ in range(2)]
    assert asked[0] == asked[1]


def test_the_instance(client):
    assert client.instance()["owner"]["uid"] == os.getuid()
    assert client.resources()["total"] == 1
    assert client.queues()[0]["started"] is True
    assert client.queue("all", "stop", "tea")["action"] == "stop"
    client.queue("all", "start")
    client.drain("0", "tea")
    client.undrain("0")
    client.wait(client.submit(command=["true"])["id"])
    assert client.overview(limit=1)["counts"]["total"] >= 1
    assert client.act("cancel", q="name:none-such")["done"] == 0


def test_nobody_there():
    with pytest.raises(ApiError, match=r"127\.0\.0\.1:1: Connection refused"):
        Client("http://127.0.0.1:1").instance()
    with pytest.raises(ApiError):
        Client("unix:/nonexistent").instance()


@pytest.mark.parametrize(
    "text", ["ftp://x", "http://", "http://a:b", "http://u:p@h", "http://h/path", "h:5000", "http://h?x=1"]
)
def test_addresses_that_are_none(text):
    with pytest.raises(ValueError, match=r"http://HOST:PORT|password"):
        place_of(text)


def test_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("ROSIN_TOKEN_FILE", str(tmp_path / "t"))
    with pytest.raises(OSError, match="ROSIN_TOKEN_FILE"):
        place_of("http://h")
    (tmp_path / "t").write_text("abc\n")
    assert place_of("http://h").authorization == "Bearer abc"
    assert place_of("http://h", user="u", password="p").authorization == "Basic dTpw"
    assert (place_of("https://[::1]").name, place_of("http://h:80").name) == ("[::1]", "h")


async def test_awaited(url):
    async with AsyncClient(url) as client:
        jobid = (await client.submit(command=["cat"]))["id"]
        await client.input(jobid, "hello\n", end=True)
        job = await client.wait(jobid)
        assert job["result"] == "COMPLETED"
        assert b"".join([part async for part in client.output(jobid)]) == b"hello\n"
        assert [each["id"] async for each in client.each_job(id=jobid)] == [jobid]
        assert (await client.lines(jobid))["total"] == 1
        with pytest.raises(ApiError) as caught:
            await client.job("99")
        assert caught.value.status == 404
        with pytest.raises(ApiError):
            await AsyncClient("http://127.0.0.1:1").instance()


def test_remote_runs_with_input_output_and_exit_code(url):
    done = remote(url, "run", "sh", "-c", "cat; echo err >&2; exit 5", stdin="ŧext\n", status=5)
    assert (done.stdout, done.stderr) == ("ŧext\n", "err\n")
    done = remote(url, "run", "sh", "-c", "kill -9 $$", stdin="", status=137)


def test_remote_submits_and_shows(url, tmp_path):
    jobid = remote(url, "submit", "--job-name=it", "--urgency=0", "-n2", "-t5", "echo", "hi").stdout.strip()
    assert "it" in remote(url, "jobs").stdout
    assert remote(url, "why", jobid).stdout == "it is held: its urgency is 0\n"
    assert '"duration":300.0' in remote(url, "info", jobid).stdout
    remote(url, "release", jobid)
    remote(url, "wait", jobid)
    assert remote(url, "output", jobid).stdout == "hi\nhi\n"
    assert remote(url, "attach", jobid).stdout == "hi\nhi\n"
    assert remote(url, "jobs", "-q", "name:nobody", "--json").stdout == '{"jobs":[]}\n'
    signed = remote(url, "submit", "--sign=none", "--urgency=0", "echo", "signed").stdout.strip()
    assert '"urgency":0' in remote(url, "info", signed).stdout
    remote(url, "release", signed)
    assert remote(url, "attach", signed).stdout == "signed\n"
    assert "ntasks" in remote(url, "submit", "--sign=none", "-n", "0", "true", status=1).stderr
    assert remote(url, "submit", "--dry-run", "true").stdout == "rosin submit true\n"
    done = remote(url, "submit", "--dry-run", "-N99", "true", status=1)
    assert "nnodes: there is 1 node, not 99" in done.stderr
    script = tmp_path / "s.sh"
    script.write_text("#!/bin/sh\n# flux: -n1 --urgency=hold\ntrue\n")
    batch = remote(url, "batch", str(script)).stdout.strip()
    assert '"name":"s.sh"' in remote(url, "info", batch).stdout
    remote(url, "cancel", "-m", "enough", batch)
    assert "is over" in remote(url, "cancel", batch, status=1).stderr
    assert "free" in remote(url, "resources").stdout
    assert "open" in remote(url, "queues").stdout
    assert "jobs:" in remote(url, "status").stdout


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["submit"], 1, "command and arguments are missing"),
        (["submit", "--env=A", "true"], 1, "NAME=VALUE"),
        (["submit", "-t", "soon", "true"], 1, "time-limit"),
        (["info", "99"], 1, "no job"),
        (["info"], 2, "JOBID"),
        (["jobs", "-q", "(x"], 1, "column"),
        (["jobs", "--url", "x"], 1, "http://HOST:PORT"),
        (["urgency", "99", "x"], 2, "invalid"),
    ],
)
def test_remote_says_what_is_wrong(url, words, status, text):
    assert text in remote(url, *words, status=status).stderr


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("2", 2.0),
        ("86400", 60.0),
        ("9" * 400, 60.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        (None, None),
    ],
)
def test_how_long_a_server_has_one_wait(said, seconds):
    """Not for a day, whatever a proxy thinks, and not for ever."""
    assert ApiError.of(503, {"detail": "busy"}, said).retry_after == seconds


def sitting(url, *words):
    env = {**os.environ, "ROSIN_URL": url}
    return Terminal(sys.executable, "-m", "rosin", "remote", *words, env=env, rows=31, columns=97)


def test_a_terminal_of_a_job_here(url, client):
    script = "read x; stty size; echo got $x; read y; stty size; exit 7"
    with sitting(url, "run", "--pty", "sh", "-c", script) as terminal:
        terminal.send("\u0167ext\r")
        terminal.expect("31 97")
        terminal.expect("got \u0167ext")
        terminal.resize(20, 60)
        terminal.send("\r")
        terminal.expect("20 60")
        assert terminal.wait() == 7


def test_control_c_is_the_jobs_and_control_backslash_detaches(url, client):
    script = "trap 'echo caught' INT; while :; do read x && echo got $x; done"
    with sitting(url, "run", "--pty", "--job-name=sits", "sh", "-c", script) as terminal:
        terminal.send("a\r")
        terminal.expect("got a")
        terminal.send("\x03")
        terminal.expect("caught")
        terminal.send("b\x1c")
        terminal.expect("detached; to come back: rosin remote attach")
        assert terminal.wait() == 0
    jobid = client.jobs(q="name:sits")["items"][0]["id"]
    with sitting(url, "attach", jobid) as terminal:
        terminal.send("\r")
        terminal.expect("got")
        client.cancel(jobid)
        assert terminal.wait() != 0
    assert client.wait(jobid)["result"] in ("CANCELED", "FAILED")


def test_keys_of_who_follows_a_job_without_a_terminal(url, client):
    script = "trap 'echo usr1' USR1; echo begun; while :; do sleep 0.1; done"
    with sitting(url, "run", "--job-name=follows", "sh", "-c", script) as terminal:
        terminal.expect("begun")
        os.kill(terminal.pid, signal.SIGUSR1)
        terminal.expect("usr1")
        terminal.send("\x03")
        terminal.expect("one more ctrl-C within 2s to cancel or ctrl-Z to detach")
        terminal.send("\x1a")
        terminal.expect("detached")
        assert terminal.wait() == 0
    jobid = client.jobs(q="name:follows")["items"][0]["id"]
    assert client.job(jobid)["state"] == "RUN"
    with sitting(url, "attach", jobid) as terminal:
        terminal.expect("begun")
        terminal.send("\x03")
        terminal.expect("one more")
        terminal.send("\x03")
        assert terminal.wait() != 0
    assert client.wait(jobid)["result"] == "CANCELED"


def shown(client, jobid):
    with client.terminal(jobid) as terminal:
        while terminal.ended is None:
            terminal.receive()


def test_a_job_without_a_terminal_says_so(client):
    jobid = client.submit(command=["sleep", "100"])["id"]
    with pytest.raises(ApiError, match=r"no terminal|not running"):
        shown(client, jobid)
    client.cancel(jobid)
