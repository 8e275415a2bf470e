# SPDX-License-Identifier: LGPL-3.0-or-later
"""The administrative commands in a real instance."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from rosin.handle import uri
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@contextmanager
def start(*argv, **kwargs):
    with subprocess.Popen(
        [sys.executable, "-m", "rosin", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    ) as process:
        try:
            yield process
        finally:  # a failed test must not wait for it, nor leave it to the next
            process.kill()


class TestAttributes:
    def test_get(self, rosin):
        assert rosin("getattr", "rank") == (0, "0\n", "")
        result = rosin("getattr", "nope")
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("rosin-getattr: nope: ")
        assert result.err.count("nope") == 1

    def test_set(self, rosin):
        assert rosin("setattr", "rank", "2").code == 1
        assert rosin("setattr", "nope", "2").err == "rosin-setattr: nope: unknown attribute\n"

    def test_list(self, rosin):
        names = rosin("lsattr").out.split()
        assert names == sorted(names)
        assert re.search(r"^size {36}1$", rosin("lsattr", "-v").out, re.MULTILINE)


class TestPing:
    LINE = r"0!kvs\.ping pad=3 seq=0 time=\d+\.\d{3} ms \([0-9a-f!]+\)"

    def test_lines(self, rosin):
        out = rosin("ping", "-c2", "-i0", "-p3", "kvs").out.splitlines()
        assert out[0] == "rosin-ping any!kvs"
        assert re.fullmatch(self.LINE, out[1])
        assert len(out) == 3

    def test_batch_with_user(self, rosin):
        out = rosin("ping", "-c2", "-i0.001", "-b", "-u", "0").out.splitlines()
        assert out[0] == "rosin-ping 0!broker"
        assert f"userid={os.getuid()} rolemask=0x" in out[2]

    def test_failures(self, rosin):
        assert rosin("ping", "-c1", "99").err == "rosin-ping: 99!broker.ping: No route to host\n"
        assert rosin("ping", "-c1", "nope").err.startswith("rosin-ping: nope.ping: ")
        assert rosin("ping", "-r", "no-host", "kvs").err == "rosin-ping: invalid nodeid/host: 'no-host'\n"
        assert rosin("ping", "-b", "kvs").code == 1


class TestEvent:
    def test_pub(self, rosin):
        assert re.fullmatch(r"seq=\d+\n", rosin("event", "pub", "-s", "-l", "t.x", '{"a":1}').out)
        assert rosin("event", "pub", "-r", "-l", "-p", "t.x", "no json").code == 0
        assert rosin("event", "pub", "-r", "-l", "t.x", os.fsdecode(b"\xff\xfe")).code == 0

    def test_sub(self, rosin):
        with start("event", "sub", "-c2", "heartbeat.pulse", "t.sub") as process:
            # The pulse tells that the subscription is there.
            assert process.stdout.readline() == "heartbeat.pulse\t\n"
            rosin("event", "pub", "t.sub", '{"a":1}')
            lines = [process.stdout.readline()]
            assert lines[0] in ('t.sub\t{"a":1}\n', "heartbeat.pulse\t\n")
            assert process.wait(30) == 0


class TestModule:
    def test_list(self, rosin):
        lines = rosin("module", "list").out.splitlines()
        assert lines[0] == "Module                    Idle  S Sendq Recvq Service"
        assert any(re.fullmatch(r"sched-simple +\w+  R +\d+ +\d+ feasibility,sched", line) for line in lines)

    def test_stats(self, rosin):
        assert json.loads(rosin("module", "stats", "heartbeat").out)["period"] == 2.0
        assert rosin("module", "stats", "-p", "period", "-s2", "-tint", "heartbeat").out == "4\n"
        assert json.loads(rosin("module", "stats", "-R", "kvs").out)["maxrss"] > 0
        assert rosin("module", "stats", "nope").err.startswith("rosin-module: nope.stats-get: ")

    def test_load_and_remove(self, rosin):
        assert rosin("module", "load", "heartbeat").err.startswith("rosin-module: load heartbeat: ")
        assert rosin("module", "reload", "heartbeat").code == 0
        assert rosin("module", "remove", "nope").err.startswith("rosin-module: remove nope: ")
        assert rosin("module", "remove", "-f", "nope").code == 0

    def test_debug(self, rosin):
        assert rosin("module", "debug", "-S", "0x10", "heartbeat").out == "0x10\n"
        assert rosin("module", "debug", "-s", "1", "heartbeat").out == "0x11\n"
        assert rosin("module", "debug", "-C", "heartbeat").out == "0x0\n"


class TestLog:
    def test_logger_and_dmesg(self, rosin):
        assert rosin("logger", "-s", "info", "hello", "there").code == 0
        assert re.search(r"^\S+Z logger\.info\[0\]: hello there$", rosin("dmesg").out, re.MULTILINE)
        assert "\x1b" not in rosin("dmesg", "-H").out
        assert "\x1b[33mlogger.info[0]\x1b[0m" in rosin("dmesg", "-L").out

    def test_follow(self, rosin):
        rosin("logger", "before")
        with start("dmesg", "-f") as process:
            assert any(line.endswith("logger.notice[0]: before\n") for line in process.stdout)
            rosin("logger", "after")  # others log too
            assert any(line.endswith("logger.notice[0]: after\n") for line in process.stdout)

    def test_clear(self, rosin):
        rosin("logger", "gone soon")
        assert "gone soon" in rosin("dmesg", "-c").out
        assert "gone soon" not in rosin("dmesg").out

    def test_usage(self, rosin):
        assert rosin("dmesg", "-d").err == "rosin-dmesg: --delta can only be used with --human\n"
        assert rosin("logger", "-s", "loud", "x").err.startswith("rosin-logger: invalid severity")


class TestConfig:
    def test_set_get_unset(self, rosin):
        assert rosin("config", "get", "test.x").err == "rosin-config: test.x is not set\n"
        assert rosin("config", "get", "-q", "test.x") == (1, "", "")
        assert rosin("config", "get", "-d", "7", "test.x").out == "7\n"
        assert rosin("config", "set", "test.x", "1").err == (
            "rosin-config: Type is unknown, please specify --type\n"
        )
        assert rosin("config", "set", "-t", "integer", "test.x", "1").code == 0
        assert rosin("config", "set", "test.x", "2").code == 0
        assert rosin("config", "get", "test.x").out == "2\n"
        assert rosin("config", "unset", "test").code == 0
        assert rosin("config", "get").out == "{}\n"

    def test_load(self, rosin):
        assert rosin("config", "load", stdin="[test]\na = 1\n").code == 0
        assert rosin("config", "get").out == '{"test":{"a":1}}\n'
        assert rosin("config", "load", stdin="{}").code == 0
        assert rosin("config", "load", stdin="[test").err.startswith("rosin-config: TOML parse error: ")


class TestContent:
    REF = "sha1-f1d2d2f924e986ac86fdf7b36c94bcdf32beec15"

    def test_store_and_load(self, rosin):
        assert rosin("content", "store", stdin="foo\n").out == self.REF + "\n"
        assert rosin("content", "load", self.REF).out == "foo\n"
        assert rosin("content", "load", stdin=self.REF).out == "foo\n"
        assert rosin("content", "flush").code == 0
        assert rosin("content", "dropcache").code == 0
        assert rosin("content", "load", "-b", self.REF).out == "foo\n"

    def test_chunks(self, rosin):
        refs = rosin("content", "store", "--chunksize=4", stdin="0123456789").out.split()
        assert len(refs) == 3
        assert rosin("content", "load", *refs).out == "0123456789"

    def test_errors(self, rosin):
        assert rosin("content", "load", "nope").err.startswith("rosin-content: error loading blob: Invalid")

    def test_checkpoints(self, rosin):
        rosin("kvs", "put", "test.content=1")
        rosin("kvs", "sync")
        out = rosin("content", "checkpoint", "list").out.splitlines()
        assert out[0] == "Index      Sequence   Time                 Rootref"
        first = json.loads(rosin("content", "checkpoint", "list", "-j").out.splitlines()[0])
        assert out[1].split()[3] == first["rootref"]
        result = rosin("content", "checkpoint", "update", self.REF)
        assert result.err == "rosin-content: please unload kvs module before updating checkpoint\n"


class TestOverlay:
    def test_status(self, rosin):
        host = os.uname().nodename
        assert rosin("overlay", "status").out == f"0 {host}: full\n"
        assert rosin("overlay", "status", "--summary").out == "full\n"
        assert rosin("overlay", "status", "--down").out == ""
        assert rosin("overlay", "status", "-H", "0").out == f"<<0 {host}>>: full\n"
        assert re.fullmatch(r"0 .*: full for \S+ \(\d+\.\d{3} ms\)\n", rosin("overlay", "status", "-vv").out)
        assert re.fullmatch(r"0 .* for \S+ \(.* ms\)\n", rosin("overlay", "status", "--verbose=2").out)
        assert rosin("overlay", "status", "-w", "full").code == 0
        assert rosin("overlay", "status", "-w", "full", "-t", "0").code == 0
        assert rosin("overlay", "status", "-w", "lost", "-t", "0.1s") == (
            1,
            "",
            "rosin-overlay: overlay.health: Connection timed out\n",
        )
        assert rosin("overlay", "status", "-w", "foo").err == "rosin-overlay: invalid --wait state\n"

    def test_lookup(self, rosin):
        host = os.uname().nodename
        assert rosin("overlay", "lookup", "0").out == host + "\n"
        assert rosin("overlay", "lookup", host).out == "0\n"
        assert rosin("overlay", "lookup", "no-host").err == (
            "rosin-overlay: host no-host not found in host map\n"
        )
        assert rosin("overlay", "parentof", "0").err == "rosin-overlay: 0 has no parent\n"
        assert rosin("overlay", "parentof", "7").code == 1


class TestResource:
    def test_drain(self, rosin):
        try:
            assert rosin("resource", "drain", "0", "broken", "fan").code == 0
            assert re.search(r"drained +broken fan +\S+\n$", rosin("resource", "drain").out)
            assert rosin("resource", "drain", "-f", "-u", "0").code == 1
            assert "avail" not in rosin("resource", "status", "-n").out
        finally:
            assert rosin("resource", "undrain", "0").code == 0
        assert rosin("resource", "undrain", "0").err == "rosin-resource: ERROR: rank 0 not drained\n"

    def test_eventlog(self, rosin):
        rosin("resource", "drain", "0", "x")
        rosin("resource", "undrain", "0")
        assert " drain idset=" in rosin("resource", "eventlog").out
        out = rosin("resource", "eventlog", "-w", "drain", "-m", "reason=x", "-f", "json").out
        assert json.loads(out.splitlines()[-1])["context"]["reason"] == "x"
        assert "drain" not in rosin("resource", "eventlog", "-i", "5").out
        assert rosin("resource", "eventlog", "-t", "0", "-w", "drain").code == 0
        late = rosin("resource", "eventlog", "-t", "0.01s", "-w", "never")
        assert late.err == "rosin-resource: ERROR: no further event within 0.01s\n"

    def test_R_is_what_the_listing_says(self, rosin):
        R = rosin("resource", "R").out
        assert rosin("R", "decode", "-c", "core", stdin=R).out.strip() in rosin("resource", "info").out

    def test_reload_of_a_missing_file(self, rosin):
        assert "/no/such" in rosin("resource", "reload", "/no/such").err


class TestExec:
    def test_output_and_exit_code(self, rosin):
        result = rosin("exec", "-n", "-l", "sh", "-c", "echo a; echo b; printf c; echo e >&2; exit 3")
        assert (result.code, result.out) == (3, "0: a\n0: b\n0: c")
        assert sorted(result.err.splitlines()) == ["0: Exit 3", "0: e"]

    def test_quiet(self, rosin):
        assert rosin("exec", "-n", "-q", "false") == (1, "", "")

    @pytest.mark.parametrize(("name", "code"), [("no-such-command", 127), ("/etc", 126)])
    def test_what_cannot_start(self, rosin, name, code):
        result = rosin("exec", "-n", name)
        assert result.code == code
        assert result.err.startswith(f"rosin-exec: Error: rank 0: {name}: ")

    def test_usage(self, rosin):
        assert rosin("exec", "-r9", "true").err == "rosin-exec: One or more invalid --ranks specified: 9\n"
        assert rosin("exec", "-x0", "true").err == "rosin-exec: No targets specified\n"
        assert rosin("exec", "--waitable", "true").code == 1
        assert rosin("exec").code == 2

    def test_directory(self, rosin):
        assert rosin("exec", "-n", "-d", "/", "pwd").out == "/\n"

    def test_input(self, rosin, real_instance):
        data = "".join(f"line {n}\n" for n in range(100_000))
        result = real_instance.run("exec", "cat", input=data)
        assert (result.returncode, result.stdout == data) == (0, True)

    def test_signals_are_forwarded(self, rosin):
        with start("exec", "sh", "-c", "echo up; exec sleep 1000") as process:
            assert process.stdout.readline() == "up\n"
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
            assert (process.returncode, err) == (128 + signal.SIGTERM, "0: Terminated\n")

    def test_background(self, rosin):
        result = rosin("exec", "--bg", "--label=bg-test", "sleep", "1000")
        rank, pid = result.out.split(": ")
        assert rank == "0"
        try:
            again = rosin("exec", "--bg", "--label=bg-test", "true")
            assert again.code == 1
        finally:
            os.kill(int(pid), signal.SIGKILL)

    def test_attach(self, rosin):
        pid = rosin("exec", "--bg", "--waitable", "sh", "-c", "exit 5").out.split()[1]
        assert rosin("exec", "-n", "--attach", pid).code == 5
        assert rosin("exec", "--attach", "no-such-label").code == 127


class TestInstance:
    def test_uptime(self, rosin):
        assert re.fullmatch(
            r" \d\d:\d\d:\d\d run [\d.]+\w,  owner \S+,  depth 0,  size 1\n", rosin("uptime").out
        )

    def test_uptime_tells_what_is_off(self, rosin):
        try:
            rosin("queue", "disable", "-m", "test")
            rosin("resource", "drain", "0")
            out = rosin("uptime").out
        finally:
            rosin("queue", "enable")
            rosin("resource", "undrain", "0")
        assert out.endswith("size 1,  1 drained\n  submit disabled\n")

    def test_version(self, rosin, real_instance):
        lines = rosin("version").out.splitlines()
        assert lines[0].startswith("commands:    \t\t")
        assert lines[2].startswith("broker:  \t\t0.")
        assert lines[3] == f"FLUX_URI:\t\t{real_instance.uri}"

    def test_uri(self, rosin, real_instance):
        assert rosin("uri", ".").out == rosin("uri", "/").out == f"{real_instance.uri}\n"
        path = real_instance.uri.removeprefix("local://")
        assert rosin("uri", "--remote", ".").out == f"ssh://{os.uname().nodename}{path}\n"
        env = {"FLUX_URI": "local:///somewhere", "PATH": os.environ["PATH"]}
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=env) as process:
            assert rosin("uri", f"pid:{process.pid}").out == "local:///somewhere\n"
        assert rosin("uri", "").err == "rosin-uri: ERROR: TARGET is empty\n"
        assert rosin("uri", "no:x").err.endswith(" no: there are jobid, pid, slurm, lsf, local, ssh\n")
        assert rosin("uri", "f12345").err == "rosin-uri: ERROR: jobid f12345 not found\n"

    def test_hostlist_sources(self, rosin, monkeypatch):
        host = os.uname().nodename
        monkeypatch.delenv("FLUX_JOB_ID", raising=False)
        for source in ("instance", "local", "avail"):
            assert rosin("hostlist", source).out == host + "\n"
        assert rosin("hostlist", "f12345").err == (
            "rosin-hostlist: ERROR: job f12345 not found; for hosts of that name: hosts:f12345\n"
        )
        assert rosin("hostlist", "-f", "f12345").out == "f12345\n"

    def test_env(self, rosin, real_instance):
        assert f'export FLUX_URI="{real_instance.uri}"\n' in rosin("env").out
        assert real_instance.run("env", "printenv", "FLUX_URI").stdout == f"{real_instance.uri}\n"
        result = real_instance.run("env", "no-such-command")
        assert (result.returncode, result.stderr) == (
            1,
            "rosin-env: execvp (no-such-command): No such file or directory\n",
        )

    def test_python(self, real_instance):
        result = real_instance.run("python", "-c", "import rosin, sys; print(sys.argv)", "-V")
        assert result.stdout == "['-c', '-V']\n"


def test_shutdown_ends_the_instance(command, monkeypatch):
    with RealInstance() as instance:
        monkeypatch.setenv("FLUX_URI", instance.uri)
        result = command("shutdown")
        assert result.code == 0
        assert "cleanup" in result.err
        instance.process.wait(60)


def test_shutdown_in_the_background(command, monkeypatch):
    with RealInstance() as instance:
        monkeypatch.setenv("FLUX_URI", instance.uri)
        assert command("shutdown", "--background").code == 0
        instance.process.wait(60)


def test_without_an_instance(command, monkeypatch):
    monkeypatch.setenv("FLUX_URI", "local:///no/such/socket")
    text = uri.not_found("/no/such/socket") + "\n"
    assert command("kvs", "ls") == (1, "", f"rosin-kvs: {text}")
    assert command("resource", "list") == (1, "", f"rosin-resource: ERROR: {text}")


HEAVY = ("asyncio", "dataclasses", "pydantic", "yaml", "zmq", "orjson", "typing_extensions", "logging")


@pytest.mark.parametrize(
    "argv", [["getattr", "rank"], ["kvs", "version"], ["module", "list"], ["dmesg"], ["exec", "-n", "true"]]
)
def test_commands_import_little(real_instance, argv):
    program = (
        "import sys; from rosin.cli.main import main; main(sys.argv[2:]); "
        "print(*[name for name in sys.argv[1].split(',') if name in sys.modules], file=sys.stderr)"
    )
    env = {**os.environ, "FLUX_URI": real_instance.uri}
    result = subprocess.run(
        [sys.executable, "-c", program, ",".join(HEAVY), *argv],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stderr == "\n"
