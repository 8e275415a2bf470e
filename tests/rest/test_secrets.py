# SPDX-License-Identifier: LGPL-3.0-or-later
"""Credentials stay out of every environment that a job of the same user can read in /proc."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from rosin.process import credentials
from rosin.rest.settings import read_environment

ROSIN = [sys.executable, "-m", "rosin"]
SERVE = [*ROSIN, "serve", "--port", "0"]
_SHELL = " ".join(SERVE)

# What a job can find: its own user's environments and arguments, and files that others hold open.
_SEARCH = """
import glob, sys
needles = [bytes.fromhex(text) for text in sys.argv[1:]]
found = set()
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        data = open(path, "rb").read()
    except OSError:
        continue
    if any(needle in data for needle in needles):
        found.add(path + " " + open(path.rsplit("/", 1)[0] + "/comm").read().strip())
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
def test_submitted_environment():
    """A jobspec is no place for a secret that the submitter's shell has exported, unless asked for."""
    for options in ([], ["--env=FLUX_TOKEN"]):
        asked = subprocess.run(
            [*ROSIN, "submit", "--dry-run", *options, "true"],
            env={**os.environ, "FLUX_TOKEN": "n33dle"},
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
