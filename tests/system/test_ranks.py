# SPDX-License-Identifier: LGPL-3.0-or-later
"""What clients ask of other ranks than their own: an instance of four brokers, each a process."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rosin.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING, SUBPROCESS_REXEC_WAITABLE
from rosin.handle import Flux
from rosin.remote import protocol
from rosin.rfc import ioencode
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

SIZE = 4


@pytest.fixture(scope="module")
def four() -> Iterator[RealInstance]:
    with RealInstance("-s", str(SIZE)) as instance:
        yield instance


@pytest.fixture
def h(four):
    with Flux(four.uri) as handle:
        yield handle


@pytest.fixture
def rosin(four):
    def run(*words, code=0, **options):
        done = four.run(*words, **options)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout

    return run


def on(rank, *words):
    """A command in the environment of a broker."""
    return ("exec", "-n", "-r", str(rank), sys.executable, "-m", "rosin", *words)


# -- exec -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "ranks"),
    [((), "0123"), (("-r", "1-3"), "123"), (("-x", "0,2"), "13"), (("-r", "1,3", "-x", "1"), "3")],
)
def test_a_set_of_ranks(rosin, options, ranks):
    script = 'echo "$FLUX_URI" | sed "s/.*-//"'
    lines = rosin("exec", "-n", "-l", *options, "sh", "-c", script).splitlines()
    assert sorted(lines) == [f"{rank}: {rank}" for rank in ranks]


def test_the_largest_exit_code(four):
    script = 'exit "$(echo "$FLUX_URI" | sed "s/.*-//")"'
    done = four.run("exec", "-n", "sh", "-c", script)
    assert done.returncode == 3
    assert sorted(done.stderr.splitlines()) == ["1: Exit 1", "2: Exit 2", "3: Exit 3"]
    done = four.run("exec", "-n", "-r", "1-2", "/no/such")
    assert done.returncode == 127
    assert sorted(done.stderr.splitlines()) == [
        f"rosin-exec: Error: rank {rank}: /no/such: error launching process: No such file or directory"
        for rank in (1, 2)
    ]
    assert four.run("exec", "-n", "-r", "3", "sh", "-c", "kill -9 $$").returncode == 137


def test_input_for_all(rosin):
    data = "".join(f"line {number}\n" for number in range(100_000))
    out = rosin("exec", "-l", "cksum", input=data).splitlines()
    assert len(out) == SIZE
    assert len({line.partition(": ")[2] for line in out}) == 1
    assert out[0].split()[2] == str(len(data))


def test_interrupts(four):
    """Each goes to all processes; one soon after the second leaves them behind."""
    script = "trap 'echo got' INT; echo up; while :; do sleep 1000 & wait; done"
    process = subprocess.Popen(
        [sys.executable, "-m", "rosin", "exec", "-n", "sh", "-c", script],
        env={**four.env, "FLUX_URI": four.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert [process.stdout.readline() for _ in range(SIZE)] == ["up\n"] * SIZE
    process.send_signal(signal.SIGINT)
    assert [process.stdout.readline() for _ in range(SIZE)] == ["got\n"] * SIZE
    process.send_signal(signal.SIGINT)
    while "one more time within" in (line := process.stderr.readline()):
        process.send_signal(signal.SIGINT)
    assert line == "[0-3]: command still running at exit\n"
    process.communicate(timeout=60)
    assert process.returncode == 1


def test_the_end_of_a_client_ends_its_processes(h, four):
    with Flux(four.uri) as other:
        rpcs = []
        for rank in range(SIZE):
            request = protocol.exec_request(protocol.command(["sleep", "1000"], {}))
            rpcs.append(other.rpc("rexec.exec", request, rank, FLUX_RPC_STREAMING))
        pids = [rpc.get()["pid"] for rpc in rpcs]
    for rank, pid in enumerate(pids):
        while any(proc["pid"] == pid for proc in h.rpc("rexec.list", {}, rank).get()["procs"]):
            pass  # until the broker has heard of it


def test_a_thousand_at_a_time(h):
    """Each is started, written to, read from and waited for, all at the same time."""
    number = 1000
    rpcs = []
    for index in range(number):
        command = protocol.command(["cat"], {}, {"stdin_BUFSIZE": "1024"})
        request = protocol.exec_request(command)
        rpcs.append(h.rpc("rexec.exec", request, index % SIZE, FLUX_RPC_STREAMING))
    output, statuses, ended = {}, {}, []

    def answered(rpc, index):
        try:
            response = protocol.Response(rpc.get())
        except OSError as exc:
            if exc.errno != errno.ENODATA:
                raise
            ended.append(index)
            if len(ended) == number:
                h.reactor_stop()
            return
        if response.type == "started":
            write = protocol.write_request(rpc.matchtag, "stdin", b"%d" % index, True)
            h.rpc("rexec.write", write, index % SIZE, FLUX_RPC_NORESPONSE)
        elif response.io is not None and response.io.data:
            output[index] = response.io.data
        elif response.status is not None:
            statuses[index] = response.status
        rpc.reset()

    for index, rpc in enumerate(rpcs):
        rpc.then(answered, index)
    h.reactor_run()
    assert statuses == dict.fromkeys(range(number), 0)
    assert output == {index: b"%d" % index for index in range(number)}


# -- processes in the background --------------------------------------------------------------------------


def test_background(rosin, h):
    ids = rosin(
        "exec", "--bg", "--waitable", "--label=far", "-r", "1-3", "sh", "-c", "echo out; exec sleep 1000"
    )
    pids = dict(line.split(": ") for line in ids.splitlines())
    assert sorted(pids) == ["1", "2", "3"]
    assert f"{pids['2']} R far" in rosin("sproc", "ps", "-r", "2", "-o", "{pid} {state} {label}")
    busy = h.rpc("rexec.attach", protocol.attach_request("far"), 3, FLUX_RPC_STREAMING)
    assert busy.get()["type"] == "attached"
    with pytest.raises(OSError, match="already has a client attached") as caught:
        h.rpc("rexec.attach", protocol.attach_request(pids["3"]), 3, FLUX_RPC_STREAMING).get()
    assert caught.value.errno == errno.EBUSY
    assert rosin("sproc", "kill", "-w", "-r", "1", "TERM", "far", code=143) == ""
    waiting = h.rpc("rexec.wait", {"pid": int(pids["2"])}, 2)
    h.rpc("rexec.kill", {"pid": -1, "label": "far", "signum": 9}, 2).get()
    answer = waiting.get()
    assert os.WTERMSIG(answer["status"]) == 9
    assert [ioencode.decode_data(item).data for item in answer["output"]] == [b"out\n"]
    h.rpc("rexec.kill", {"pid": int(pids["3"]), "signum": 15}, 3).get()
    while protocol.Response(busy.get()).status is None:
        busy.reset()


def test_labels_belong_to_a_rank(rosin, four):
    assert rosin("exec", "--bg", "--label=twice", "-r", "1", "sleep", "1000")
    assert rosin("exec", "--bg", "--label=twice", "-r", "2", "sleep", "1000")
    done = four.run("exec", "--bg", "--label=twice", "-r", "1-2", "sleep", "1000")
    assert done.returncode == 1
    assert done.stderr.count("command label is not unique") == 2
    for rank in "12":
        rosin("sproc", "kill", "-r", rank, "9", "twice")


def test_a_rank_that_is_not_there(h, four):
    request = protocol.exec_request(protocol.command(["true"], {}), SUBPROCESS_REXEC_WAITABLE)
    with pytest.raises(OSError, match="No route to host") as caught:
        h.rpc("rexec.exec", request, 9).get()
    assert caught.value.errno == errno.EHOSTUNREACH
    done = four.run("exec", "-r", "9", "true")
    assert (done.returncode, done.stderr) == (1, "rosin-exec: One or more invalid --ranks specified: 9\n")


# -- requests of the other commands -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "service", ["broker", "kvs", "kvs-watch", "content", "job-info", "job-ingest", "rexec"]
)
def test_ping(rosin, service):
    out = rosin("ping", "-c1", f"3!{service}")
    assert re.match(rf"rosin-ping 3!{service}\n3!{service}.ping pad=0 seq=0 time=", out)


def test_the_broker_above(rosin, four):
    assert "0!broker.ping" in rosin(*on(3, "ping", "-c1", "upstream"))
    done = four.run("ping", "-c1", "upstream")
    assert done.returncode == 1
    assert "upstream!broker.ping: No route to host" in done.stderr


def test_attributes_are_those_of_a_rank(rosin):
    assert rosin(*on(3, "getattr", "rank")) == "3\n"
    rosin(*on(3, "setattr", "log-stderr-level", "5"))
    assert rosin(*on(3, "getattr", "log-stderr-level")) == "5\n"
    assert rosin("getattr", "log-stderr-level") != "5\n"


def test_modules_are_those_of_a_rank(rosin):
    rosin(*on(2, "module", "remove", "job-info"))
    assert "job-info" not in rosin(*on(2, "module", "list"))
    assert "job-info" in rosin("module", "list")
    rosin(*on(2, "module", "load", "job-info"))
    assert "job-info" in rosin(*on(2, "module", "list"))
    assert json.loads(rosin(*on(2, "module", "stats", "kvs")))
    assert rosin(*on(2, "module", "debug", "-S", "4", "kvs")) == "0x4\n"
    assert rosin("module", "debug", "kvs") == "0x0\n"


def test_keys_and_blobs_are_everybodys(rosin):
    rosin(*on(3, "kvs", "put", "far.key=42"))
    assert rosin("kvs", "get", "far.key") == "42\n"
    assert rosin(*on(1, "kvs", "get", "far.key")) == "42\n"
    reference = rosin(
        "exec", "-r", "1", sys.executable, "-m", "rosin", "content", "store", input="far"
    ).strip()
    assert rosin(*on(2, "content", "load", reference)) == "far"
    rosin(*on(2, "content", "flush"))
    rosin(*on(2, "content", "dropcache"))
    assert rosin(*on(2, "content", "load", reference)) == "far"


def test_logs(rosin):
    rosin(*on(3, "logger", "-s", "err", "--appname=far", "hello"))
    assert "far.err[3]: hello" in rosin(*on(3, "dmesg"))
    rosin(*on(3, "dmesg", "-C"))
    assert "far.err[3]: hello" not in rosin(*on(3, "dmesg"))
    assert "far.err[3]" not in rosin("dmesg")  # each broker keeps its own


def test_events_reach_all(h, rosin):
    h.event_subscribe("far.")
    rosin(*on(3, "event", "pub", "far.away", '{"a":1}'))
    assert h.event_recv().args == {"a": 1}
    out = rosin(*on(3, "event", "pub", "-s", "-l", "far.away", '{"a":1}'))
    assert re.fullmatch(r"seq=\d+\n", out)


def test_an_instance_seen_from_below(rosin, four):
    assert re.search(r"run .* size 4\n", rosin(*on(3, "uptime")))
    assert rosin(*on(2, "overlay", "status", "--summary")) == "full\n"
    done = four.run(*on(2, "shutdown", "--background"))
    assert done.returncode == 1
    assert "rank 0" in done.stderr


def test_jobs_and_resources_from_below(rosin):
    assert rosin(*on(3, "run", "-N1", "echo", "hi")) == "hi\n"
    rosin(*on(3, "resource", "drain", "2", "far"))
    assert "drained 2" in rosin(*on(1, "resource", "status", "-o", "{state} {ranks}"))
    rosin(*on(3, "resource", "undrain", "2"))
