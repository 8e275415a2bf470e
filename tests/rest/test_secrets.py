# SPDX-License-Identifier: LGPL-3.0-or-later
"""Credentials stay out of every environment that a job of the same user can read in /proc."""

from __future__ import annotations

import os
import secrets
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rosin.process import credentials
from rosin.rest.settings import read_environment

ROSIN = [sys.executable, "-m", "rosin"]
SERVE = [*ROSIN, "serve", "--port", "0"]
_SHELL = " ".join(SERVE)

# What a job can find: its own user's environments and arguments, and files that others hold open.
_SEARCH = """
import glob, os, sys
needles = [bytes.fromhex(text) for text in sys.argv[1:]]
found = set()
paths = glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline")
for path in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        if "memfd:" in os.readlink(path):
            paths.append(path)
    except OSError:
        pass
for path in paths:
    try:
        with open(path, "rb") as stream:
            data = stream.read(1 << 20)
    except OSError:
        continue
    if any(needle in data for needle in needles):
        found.add(path + " " + open("/proc/" + path.split("/")[2] + "/comm").read().strip())
print("searched", *sorted(found))
"""


@contextmanager
def running(command: list[str], **variables: str) -> Iterator[str]:
    """A server started by *command*: its address."""
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = ""
    while "serves" not in line:
        line = process.stderr.readline()
        assert line, "the server did not start"
    try:
        yield line.split()[-1].rstrip("/")
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.system
@pytest.mark.parametrize(
    "program",
    [
        SERVE,
        ["sh", "-c", f"{_SHELL}; true"],
        ["sh", "-c", f"{_SHELL} & cat"],
        [*ROSIN, "start", *SERVE],
    ],
    ids=["initial program", "of a shell", "in the background", "of an inner instance"],
)
def test_no_job_finds_the_secrets(program):
    token, key = secrets.token_hex(16), secrets.token_hex(16)
    # As hexadecimal, or the searching job would find its own arguments.
    search = [sys.executable, "-c", _SEARCH, token.encode().hex(), key.encode().hex()]
    given = {"FLUX_USER": "ann", "FLUX_TOKEN": token, "FLUX_SECRET_KEY": key}
    with (
        running([*ROSIN, "start", *program], **given) as url,
        httpx.Client(base_url=url, auth=("ann", token), timeout=60) as client,
    ):
        job = client.post("/jobs/submit", json={"command": search}).json()
        with client.stream("GET", f"/jobs/{job['id_str']}/output/stream") as answer:
            assert answer.read() == b"searched\n"
        assert httpx.get(url + "/jobs").status_code == 401


@pytest.mark.system
def test_a_secret_above_is_told():
    """A program that keeps its environment, such as make, cannot be helped, but it can be named."""
    script = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    inner = [sys.executable, "-c", script, *ROSIN, "start", "true"]
    asked = subprocess.run(inner, env={**os.environ, "FLUX_TOKEN": "n33dle"}, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert asked.stderr.count("\n") == 1
    assert "FLUX_TOKEN_FILE" in asked.stderr
    assert "n33dle" not in asked.stderr


@pytest.mark.system
@pytest.mark.parametrize("name", ["FLUX_TOKEN", "FLUX_SECRET_KEY", "ROSIN_TOKEN"])
def test_submitted_environment(name):
    """A jobspec is no place for a secret that the submitter's shell has exported, unless asked for."""
    for options in ([], [f"--env={name}"]):
        asked = subprocess.run(
            [*ROSIN, "submit", "--dry-run", *options, "true"],
            env={**os.environ, name: "n33dle"},
            capture_output=True,
            text=True,
        )
        assert ("n33dle" in asked.stdout) == bool(options), asked.stderr


def test_what_a_descriptor_holds(monkeypatch):
    fd, value = credentials.share({"FLUX_TOKEN": "a=b\n", "FLUX_SECRET_KEY": "ü" * 100_000})
    for _ in range(2):  # as for two servers of one shell
        monkeypatch.setenv(credentials.VARIABLE, f"{os.dup(fd)}:" + value.partition(":")[2])
        assert credentials.take() == {"FLUX_TOKEN": "a=b\n", "FLUX_SECRET_KEY": "ü" * 100_000}
        assert credentials.VARIABLE not in os.environ
    assert credentials.take() == {}
    os.close(fd)
    for text in (value, "0:1:2", "nonsense"):
        monkeypatch.setenv(credentials.VARIABLE, text)
        with pytest.raises(ValueError, match="did not come along"):
            credentials.take()


def test_what_a_broker_answers(monkeypatch):
    given = {"FLUX_TOKEN": "a=b\n", "FLUX_SECRET_KEY": "\u00fc" * 100_000}
    offer = credentials.Offer(given)
    for _ in range(3):  # as for servers of one shell
        fd = os.dup(offer.theirs)
        monkeypatch.setenv(credentials.VARIABLE, f"{fd}:{offer.variable.partition(':')[2]}")
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(credentials.take)
            select.select([offer], [], [])
            assert offer.answer()
            assert taken.result() == given
        with pytest.raises(OSError):  # closed
            os.fstat(fd)
    with pytest.raises(OSError):  # and no path leads to what it holds
        os.open(f"/proc/self/fd/{offer.theirs}", os.O_RDONLY)
    fd = os.dup(offer.theirs)
    offer.given()
    assert offer.answer()  # nobody has asked
    monkeypatch.setenv(credentials.VARIABLE, f"{fd}:{offer.variable.partition(':')[2]}")
    offer.close()
    with pytest.raises(ValueError, match="did not come along"):
        credentials.take()


def test_who_asks_and_takes_nothing_keeps_nobody_waiting():
    offer = credentials.Offer({"FLUX_TOKEN": "x"})
    with socket.socket(fileno=os.dup(offer.theirs)) as theirs:
        theirs.setblocking(False)
        for _ in range(1000):
            try:
                theirs.send(b"?")
            except BlockingIOError:
                pass
            assert offer.answer()
    offer.given()
    while select.select([offer], [], [], 0)[0] and offer.answer():
        pass
    assert not offer.answer()
    offer.close()


# As another user: whether a process of the same user sees the memory and the files of one that hides them.
_HIDDEN = """
import os, sys
from rosin.process import platform
platform.warm()
os.setuid(65534)
platform._prctl(4, 1)  # as any process that has not changed its user
ready, going = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    platform.hide_memory() if sys.argv[1] == "hide" else None
    os.write(ready[1], b"x")
    os.read(going[0], 1)
    os._exit(0)
os.read(ready[0], 1)
for name in ("environ", "fd/0", "mem"):
    try:
        os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        print("seen")
    except PermissionError:
        print("hidden")
os.write(going[1], b"x")
"""


@pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="needs root to become another user")
@pytest.mark.parametrize("what", ["hide", "show"])
def test_a_server_hides_its_memory(what):
    source = str(Path(credentials.__file__).parents[2])
    asked = subprocess.run(
        [sys.executable, "-c", _HIDDEN, what],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert asked.stdout.split() == [{"hide": "hidden", "show": "seen"}[what]] * 3, asked.stderr


def test_secrets_from_files(tmp_path, capsys):
    path = tmp_path / "token"
    path.write_text("from a file\n")
    path.chmod(0o600)
    assert read_environment({"FLUX_TOKEN_FILE": str(path)})["token"] == "from a file"
    assert capsys.readouterr().err == ""
    path.chmod(0o644)
    assert read_environment({"FLUX_SECRET_KEY_FILE": str(path)})["secret_key"] == "from a file"
    assert "chmod 600" in capsys.readouterr().err
    for environ in (
        {"FLUX_TOKEN_FILE": str(path), "FLUX_TOKEN": "x"},
        {"FLUX_TOKEN_FILE": os.devnull},
        {"FLUX_TOKEN_FILE": sys.executable},
    ):
        with pytest.raises(ValueError, match="FLUX_TOKEN_FILE"):
            read_environment(environ)
    with pytest.raises(OSError, match="FLUX_TOKEN_FILE: /nope"):
        read_environment({"FLUX_TOKEN_FILE": "/nope"})


def test_what_came_by_descriptor_gives_way():
    assert read_environment({}, {"FLUX_TOKEN": "inherited"})["token"] == "inherited"
    assert read_environment({"FLUX_TOKEN": "own"}, {"FLUX_TOKEN": "inherited"})["token"] == "own"
    assert read_environment({"FLUX_TOKEN": ""}, {"FLUX_TOKEN": "inherited"})["token"] is None
