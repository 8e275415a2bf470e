# SPDX-License-Identifier: LGPL-3.0-or-later
"""[job-manager.housekeeping]: what is run after a job, and when its resources go back."""

import errno
import signal

import pytest

from rosin.errors import FormatError
from rosin.modules.job_manager.housekeeping_settings import HousekeepingSettings
from rosin.rfc import fluid, ioencode

R4 = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-3", "children": {"core": "0-1"}}],
        "starttime": 1_700_000_000.0,
        "expiration": 0.0,
        "nodelist": ["node[0-3]"],
    },
}


def configure(bench, **table):
    table.setdefault("command", ["clean", "up"])
    settings = HousekeepingSettings.parse({"job-manager": {"housekeeping": table}})
    bench.manager.housekeeping.configure(settings)


def run(bench, R=R4, **kwargs):
    """A job whose life is over; its resources are with housekeeping."""
    id = bench.submit(**kwargs)
    bench.settle()
    bench.alloc(id, R=R)
    bench.settle()
    bench.exec(id, "start")
    bench.exec(id, "finish", status=0)
    bench.exec(id, "release", ranks="all", final=True)
    bench.settle()
    return id


def end(stream, status=0, pid=100):
    stream.each({"type": "started", "pid": pid + stream.rank})
    stream.each({"type": "finished", "status": status})
    stream.ended(OSError(errno.ENODATA, "No data available"))


def freed(bench):
    return [
        (free["R"]["execution"]["R_lite"][0]["rank"], free["final"]) for free in bench.port.take("sched.free")
    ]


def running(bench):
    return bench.manager.housekeeping.stats()["running"]


# -- the table -------------------------------------------------------------------------------------


def test_without_the_table_nothing_is_run(bench):
    bench.online()
    run(bench)
    assert not bench.port.streams
    assert freed(bench) == [("0-3", True)]
    assert bench.manager.housekeeping.stats() == {
        "running": {},
        "config": {"release-after": -1.0, "command": ""},
    }
    assert HousekeepingSettings.parse({}).command is None


def test_the_command_is_that_of_the_imp_unless_told_otherwise():
    table = {"job-manager": {"housekeeping": {}}}
    assert HousekeepingSettings.parse({**table, "exec": {"imp": "/x/flux-imp"}}).command == [
        "/x/flux-imp",
        "run",
        "housekeeping",
    ]
    with pytest.raises(FormatError, match=r"implies IMP but exec\.imp is undefined"):
        HousekeepingSettings.parse(table)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"x": 1}, "housekeeping.x: unknown key"),
        ({"command": "true"}, "command"),
        ({"command": []}, "command"),
        ({"command": [1]}, "command"),
        ({"command": ["a"], "release-after": 1}, "release-after"),
        ({"command": ["a"], "release-after": "soon"}, "release-after"),
        ({"command": ["a"], "exit-on-first-error": 1}, "exit-on-first-error"),
        ([], "expected a table"),
    ],
)
def test_a_wrong_table_is_refused_and_named(table, text):
    with pytest.raises(FormatError, match=r"^job-manager\.housekeeping") as info:
        HousekeepingSettings.parse({"job-manager": {"housekeeping": table}})
    assert text in str(info.value)


def test_a_changed_table_counts_for_jobs_that_end_from_now_on(bench):
    bench.online()
    configure(bench, command=["one"])
    run(bench)
    configure(bench, command=["two"])
    run(bench)
    assert [stream.payload["cmd"]["cmdline"] for stream in bench.port.streams[::4]] == [["one"], ["two"]]
    bench.manager.housekeeping.configure(HousekeepingSettings())
    run(bench)
    assert len(bench.port.streams) == 8
    assert freed(bench) == [("0-3", True)]


# -- what is run -----------------------------------------------------------------------------------


def test_the_command_runs_on_each_rank_with_the_job_in_its_environment(bench, monkeypatch):
    monkeypatch.setenv("SOME_VARIABLE", "here")
    bench.online()
    configure(bench)
    id = run(bench)
    assert [stream.rank for stream in bench.port.streams] == [0, 1, 2, 3]
    for stream in bench.port.streams:
        assert stream.topic == "rexec.exec"
        command = stream.payload["cmd"]
        assert command["cmdline"] == ["clean", "up"]
        env = command["env"]
        assert (env["FLUX_JOB_ID"], env["FLUX_JOB_USERID"], env["FLUX_JOB_RANKS"]) == (str(id), "1000", "0-3")
        assert env["SOME_VARIABLE"] == "here"


def test_the_job_is_over_while_its_resources_are_not_free(bench):
    bench.online()
    configure(bench)
    id = run(bench)
    assert bench.names(id)[-2:] == ["free", "clean"]
    assert id in bench.manager.inactive
    assert freed(bench) == []
    allocated = bench.manager.drain.resource_status()["allocated"]
    assert allocated["execution"]["R_lite"] == R4["execution"]["R_lite"]  # type: ignore[index]
    assert running(bench) == {
        fluid.encode(id, "f58"): {"t_start": bench.port.time, "pending": "0-3", "allocated": "0-3"}
    }
    for stream in bench.port.streams:
        end(stream)
    assert freed(bench) == [("0-3", True)]
    assert bench.manager.drain.resource_status()["allocated"]["execution"]["R_lite"] == []
    assert running(bench) == {}


# -- release-after ---------------------------------------------------------------------------------


def test_without_release_after_all_ranks_are_released_together(bench):
    bench.online()
    configure(bench)
    run(bench)
    for stream in bench.port.streams[:3]:
        end(stream)
        bench.port.advance(100.0)
    assert freed(bench) == []
    assert [entry["pending"] for entry in running(bench).values()] == ["3"]
    end(bench.port.streams[3])
    assert freed(bench) == [("0-3", True)]


def test_release_after_zero_releases_each_rank_when_it_is_done(bench):
    bench.online()
    configure(bench, **{"release-after": "0"})
    run(bench)
    end(bench.port.streams[2])
    end(bench.port.streams[1])
    assert freed(bench) == []  # ends that come together are told together
    bench.port.advance(0.02)
    assert freed(bench) == [("1-2", False)]
    assert [(e["pending"], e["allocated"]) for e in running(bench).values()] == [("0,3", "0,3")]
    left = bench.manager.drain.resource_status()["allocated"]
    assert left["execution"]["R_lite"][0]["rank"] == "0,3"
    end(bench.port.streams[0])
    bench.port.advance(0.02)
    end(bench.port.streams[3])
    assert freed(bench) == [("0", False), ("3", True)]


def test_release_after_a_time_releases_what_is_done_by_then(bench):
    bench.online()
    configure(bench, **{"release-after": "1m"})
    run(bench)
    end(bench.port.streams[0])
    bench.port.advance(0.02)
    bench.port.advance(30.0)
    end(bench.port.streams[1])
    bench.port.advance(29.0)
    assert freed(bench) == []
    bench.port.advance(2.0)
    assert freed(bench) == [("0-1", False)]
    end(bench.port.streams[2])
    bench.port.advance(0.02)
    assert freed(bench) == [("2", False)]
    end(bench.port.streams[3])
    assert freed(bench) == [("3", True)]


def test_the_timer_has_nothing_to_do_after_the_last_rank(bench):
    bench.online()
    configure(bench, **{"release-after": "1m"})
    run(bench)
    end(bench.port.streams[0])
    bench.port.advance(0.02)
    for stream in bench.port.streams[1:]:
        end(stream)
    assert freed(bench) == [("0-3", True)]
    bench.port.advance(100.0)
    assert freed(bench) == []


# -- failures and output ---------------------------------------------------------------------------


def test_failures_are_logged_by_host_and_rank(bench):
    bench.online()
    configure(bench)
    id = fluid.encode(run(bench), "f58")
    first, *rest = bench.port.streams
    first.ended(OSError(errno.ENOENT, "error launching process: No such file or directory"))
    for stream in rest[:2]:
        end(stream, status=3 << 8)
    bench.port.advance(0.02)
    end(rest[2], status=int(signal.SIGKILL))
    assert [line for level, line in bench.port.log.lines if level == "error"] == [
        f"housekeeping: node0 (rank 0) {id}: error launching process: No such file or directory",
        f"housekeeping: node[1-2] (rank 1-2) {id}: nonzero exit code",
        f"housekeeping: node3 (rank 3) {id}: Killed",
    ]
    assert freed(bench) == [("0-3", True)]  # failed or not


def test_failures_that_differ_are_one_line(bench):
    bench.online()
    configure(bench)
    id = fluid.encode(run(bench), "f58")
    for stream, status in zip(bench.port.streams, (0, 1 << 8, int(signal.SIGTERM), 0), strict=True):
        end(stream, status=status)
    assert (
        "error",
        f"housekeeping: node[1-2] (rank 1-2) {id}: multiple failure modes",
    ) in bench.port.log.lines


def test_output_is_logged_by_line(bench):
    bench.online()
    configure(bench)
    id = fluid.encode(run(bench), "f58")
    stream = bench.port.streams[1]

    def write(name, data, eof=False):
        stream.each({"type": "output", "io": ioencode.encode_data(name, "1", data, eof=eof)})

    write("stdout", b"one\nt")
    write("stdout", b"w")
    write("stderr", b"bad\n")
    write("stdout", b"o\n\xffthree")
    write("stdout", None, eof=True)
    log = bench.port.log.lines
    assert [line for level, line in log if level == "info"] == [
        f"housekeeping: node1 (rank 1) {id}: {text}"
        for text in ("one", "two", "\N{REPLACEMENT CHARACTER}three")
    ]
    assert ("error", f"housekeeping: node1 (rank 1) {id}: bad") in log


def test_start_and_end_are_debug_messages(bench):
    bench.online()
    configure(bench)
    id = fluid.encode(run(bench), "f58")
    for stream in bench.port.streams:
        end(stream)
    debug = [line for level, line in bench.port.log.lines if level == "debug"]
    assert f"housekeeping: {id} started" in debug
    assert f"housekeeping: {id} complete" in debug


# -- kill ------------------------------------------------------------------------------------------


def kills(bench):
    calls = [call for call in bench.port.rpcs if call[0] == "rexec.kill"]
    assert all(type(call[1]["signum"]) is int for call in calls)  # a server takes no member of an enum
    return [(call[3], call[1]["pid"], call[1]["signum"]) for call in calls]


def test_kill_chooses_by_job_and_rank(bench):
    bench.online()
    configure(bench)
    first, second = run(bench), run(bench)
    for stream in bench.port.streams:
        stream.each({"type": "started", "pid": 10 + stream.rank})
    kill = bench.manager.housekeeping.kill
    kill(bench.request(payload={"signum": 15, "jobid": second, "ranks": "1-2"}))
    assert kills(bench) == [(1, 11, 15), (2, 12, 15)]
    bench.port.rpcs.clear()
    kill(bench.request(payload={"signum": 9, "ranks": "3"}))
    assert kills(bench) == [(3, 13, 9), (3, 13, 9)]
    bench.port.rpcs.clear()
    kill(bench.request(payload={"signum": 9, "jobid": first + second}))
    assert kills(bench) == []
    with pytest.raises(FormatError, match="idset"):
        kill(bench.request(payload={"signum": 9, "ranks": "x"}))


def test_a_process_without_a_pid_is_killed_when_it_has_one(bench):
    bench.online()
    configure(bench)
    run(bench)
    bench.manager.housekeeping.kill(bench.request(payload={"signum": 9}))
    assert kills(bench) == []
    bench.port.streams[2].each({"type": "started", "pid": 12})
    assert kills(bench) == [(2, 12, 9)]


def test_a_kill_that_fails_is_logged(bench):
    bench.online()
    configure(bench)
    run(bench)
    bench.port.streams[0].each({"type": "started", "pid": 10})
    bench.manager.housekeeping.kill(bench.request(payload={"signum": 99}))
    bench.port.rpcs[-1][2](None, OSError(errno.EINVAL, "Invalid argument"))
    assert ("error", "kill: Invalid argument") in bench.port.log.lines


# -- the scheduler comes and goes --------------------------------------------------------------------
