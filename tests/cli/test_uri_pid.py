# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin uri pid:PID: a broker's own process, and one with or without a FLUX_URI."""

import os
import socket
import subprocess

import pytest

from rosin.handle import Flux

pytestmark = pytest.mark.system


def test_of_a_broker(rosin, real_instance, monkeypatch):
    with Flux(real_instance.uri) as h:
        pid = h.attr_get("broker.pid")
    monkeypatch.delenv("FLUX_URI")
    assert rosin("uri", f"pid:{pid}") == (0, f"{real_instance.uri}\n", "")


def test_of_a_broker_that_is_a_job_of_another(command, real_instance, tmp_path):
    """Its environment names the enclosing instance, which is not what is asked for."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "local-0"))
    listener.listen()
    with listener:
        assert command("uri", f"pid:{os.getpid()}").out == f"local://{tmp_path}/local-0\n"


def test_of_other_processes(command):
    def uri_of(env):
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        try:
            # While a program is on its way to its first instruction, its environment reads as empty.
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.read(1)
            return command("uri", f"pid:{process.pid}")
        finally:
            process.communicate()

    assert uri_of({"PATH": os.environ["PATH"], "FLUX_URI": "local:///x"}).out == "local:///x\n"
    result = uri_of({"PATH": os.environ["PATH"]})
    assert (result.code, result.out) == (1, "")
    assert "doesn't seem to have a FLUX_URI" in result.err
    assert "not a process id" in command("uri", "pid:x").err
    assert "No such file" in command("uri", f"pid:{2**22 + 1}").err
