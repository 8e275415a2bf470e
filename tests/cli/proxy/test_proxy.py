# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin proxy beside a real instance: commands through it, its end, and the end of the instance."""

import subprocess
import sys

import pytest

from rosin.cli.proxy import check_version
from rosin.constants import FLUX_CORE_VERSION
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

ROSIN = f"{sys.executable} -m rosin"


def proxy(uri, script, *options):
    command = [sys.executable, "-m", "rosin", "proxy", *options, uri, "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_commands(real_instance):
    script = (
        f'echo "$FLUX_URI"; {ROSIN} getattr rank; {ROSIN} run echo served; {ROSIN} kvs put proxy.a=1;'
        f"{ROSIN} kvs get proxy.a; {ROSIN} exec -n echo there; echo in | {ROSIN} run cat; exit 7"
    )
    done = proxy(real_instance.uri, script)
    uri, *lines = done.stdout.splitlines()
    assert uri.endswith("/local")
    assert uri != real_instance.uri
    assert lines == ["0", "served", "1", "there", "in"]
    assert (done.returncode, done.stderr) == (7, "")


def test_another_host(real_instance, command, monkeypatch, tmp_path):
    script = tmp_path / "ssh"
    script.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    script.chmod(0o755)
    monkeypatch.setenv("FLUX_SSH", str(script))
    monkeypatch.setenv("FLUX_SSH_RCMD", ROSIN)
    uri = "ssh://me@far" + real_instance.uri.removeprefix("local://")
    done = proxy(uri, f'{ROSIN} getattr rank; {ROSIN} run echo served; echo "$FLUX_PROXY_REMOTE"')
    assert (done.stdout, done.stderr, done.returncode) == ("0\nserved\nfar\n", "", 0)
    monkeypatch.setenv("FLUX_URI", uri)
    assert command("getattr", "rank").out == "0\n"


def test_a_relay_of_nothing(command):
    done = command("relay", "/no/such")
    assert (done.code, done.err) == (1, "rosin-relay: /no/such: No such file or directory\n")


def test_a_job_is_an_instance(real_instance):
    done = real_instance.run("proxy", "nosuchjob", "true")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nosuchjob" in done.stderr


def test_a_command_that_is_not_there(real_instance):
    command = [sys.executable, "-m", "rosin", "proxy", real_instance.uri, "/no/such"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (127, "rosin-proxy: /no/such: No such file or directory\n")


def test_versions():
    check_version(FLUX_CORE_VERSION)
    check_version(FLUX_CORE_VERSION.rpartition(".")[0] + ".99-1-gabc")
    with pytest.raises(ValueError, match=r"broker version 0\.1\.0 does not match"):
        check_version("0.1.0")


@pytest.mark.parametrize(("options", "code"), [((), 129), (("--nohup",), 5)])
def test_the_end_of_the_instance(options, code):
    with RealInstance() as instance:
        process = subprocess.Popen(
            [*ROSIN.split(), "proxy", *options, instance.uri, "sh", "-c", "echo up; read x; exit 5"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "up\n"
    assert process.stderr.readline() == "rosin-proxy: Lost connection to Flux\n"
    if options:
        process.stdin.write("x\n")
        process.stdin.flush()
    rest = process.stderr.read()
    assert process.wait(60) == code
    assert rest == ("" if options else "rosin-proxy: Sending SIGHUP to child processes\n")
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
