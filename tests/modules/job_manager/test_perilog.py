# SPDX-License-Identifier: LGPL-3.0-or-later
"""perilog.so: a command before a job starts, and one after it has ended."""

import errno

import pytest

from rosin.rfc import fluid

from .perilogs import drains, end, exceptions, job, named, query, signals, started, tail

# -- a job's life -----------------------------------------------------------------------------------


def test_the_job_starts_after_its_prolog_and_is_over_after_its_epilog(perilogs):
    bench = perilogs(prolog={}, epilog={})
    id = job(bench, userid=77)
    processes = started(bench)
    assert [(process.topic, process.rank) for process in processes] == [("rexec.exec", r) for r in range(4)]
    command = processes[0].payload["cmd"]
    assert command["cmdline"] == ["prolog"]
    name = fluid.encode(id, "f58")
    assert {key: value for key, value in command["env"].items() if key.startswith("FLUX_JOB_")} == {
        "FLUX_JOB_ID": name,
        "FLUX_JOB_RANKS": "0-3",
        "FLUX_JOB_USERID": "77",
    }
    assert tail(bench, id, 2) == ["alloc", "prolog-start"]
    for process in processes[:3]:
        end(process)
    bench.settle()
    assert bench.port.take("job-exec.start") == []
    end(processes[3])
    bench.settle()
    assert len(bench.port.take("job-exec.start")) == 1
    assert named(bench, id, "prolog-finish") == [{"description": "job-manager.prolog", "status": 0}]
    bench.exec(id, "start")
    bench.exec(id, "finish", status=0)
    bench.exec(id, "release", ranks="all", final=True)
    assert tail(bench, id, 4) == ["start", "finish", "epilog-start", "release"]
    processes = started(bench)
    assert [process.payload["cmd"]["cmdline"] for process in processes] == [["epilog"]] * 4
    for process in processes:
        end(process)
    assert tail(bench, id, 3) == ["epilog-finish", "free", "clean"]
    assert drains(bench) == []
    assert query(bench)["procs"] == {}


def test_without_per_rank_it_runs_once_on_rank_0(perilogs):
    bench = perilogs(prolog={"per-rank": False}, epilog={"per-rank": False})
    id = job(bench)
    (process,) = started(bench)
    assert process.rank == 0
    end(process, status=256)
    assert exceptions(bench, id) == [("prolog", 0, "prolog exited with code=1 on node0 (rank 0)")]
    assert drains(bench) == []  # it is not a node of the job that failed
    assert [process.rank for process in started(bench)] == [0]


def test_jobs_live_without_tables(perilogs):
    bench = perilogs()
    id = job(bench)
    bench.run(id)
    assert "prolog-start" not in bench.names(id)
    assert not bench.manager.jobtap.subscribers
    assert query(bench)["conf"] == {"prolog": {}, "epilog": {}}


# -- failure ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (256, "exited with code=1"),
        (9, "killed by signal 9"),
        ((128 + 15) << 8, "killed by signal 15"),
    ],
)
def test_a_prolog_that_fails_is_fatal_and_drains_where_it_did(perilogs, status, text):
    bench = perilogs(prolog={}, epilog={})
    id = job(bench)
    processes = started(bench)
    for process in processes:
        end(process, status if process.rank in (1, 2) else 0)
    assert tail(bench, id, 1) == ["prolog-start"]  # not before the nodes are drained
    assert drains(bench) == [("1-2", f"prolog failed for job {fluid.encode(id, 'f58')}")]
    assert exceptions(bench, id) == [("prolog", 0, f"prolog {text} on node[1-2] (rank 1-2)")]
    # The epilog undoes what the prolog has done, and the resources wait for it.
    assert tail(bench, id, 3) == ["exception", "epilog-start", "prolog-finish"]
    for process in started(bench):
        end(process)
    assert tail(bench, id, 3) == ["epilog-finish", "free", "clean"]
    assert bench.port.take("job-exec.start") == []
    assert bench.manager.inactive[id].excepted


def test_a_program_that_is_not_there(perilogs):
    bench = perilogs(prolog={})
    id = job(bench)
    processes = started(bench)
    for process in processes[:2]:
        end(process)
    processes[2].ended(OSError(errno.ENOENT, "No such file or directory"))
    processes[3].ended(OSError(errno.EHOSTUNREACH, "No route to host"))
    assert drains(bench) == [("2-3", f"prolog failed for job {fluid.encode(id, 'f58')}")]
    assert exceptions(bench, id) == [("prolog", 0, "prolog exited with code=127 on node[2-3] (rank 2-3)")]
    assert named(bench, id, "prolog-finish")[0]["status"] == 127 << 8
    text = "prolog: node2 (rank 2): error launching process: No such file or directory"
    assert ("error", f"{fluid.encode(id, 'f58')}: {text}") in bench.port.log.lines


def test_brokers_that_are_lost(perilogs):
    bench = perilogs(prolog={})
    id = job(bench)
    processes = started(bench)
    processes[0].each({"type": "started", "pid": 100})
    for process in processes[:2]:
        process.ended(OSError(errno.EHOSTUNREACH, "No route to host"))
    for process in processes[2:]:
        end(process)
    name = fluid.encode(id, "f58")
    assert drains(bench) == [("0-1", f"prolog failed for job {name}")]
    assert exceptions(bench, id) == [("prolog", 0, "prolog lost its broker on node[0-1] (rank 0-1)")]
    logged = [text for _, text in bench.port.log.lines if "No route" in text]
    assert logged == [
        f"{name}: prolog: node0 (rank 0): lost: No route to host",
        f"{name}: prolog: node1 (rank 1): error launching process: No route to host",
    ]


def test_an_epilog_that_fails_drains_and_does_not_change_the_result(perilogs):
    bench = perilogs(epilog={})
    id = job(bench)
    bench.exec(id, "start")
    bench.exec(id, "finish", status=0)
    bench.exec(id, "release", ranks="all", final=True)
    for process in started(bench):
        end(process, 512 if process.rank == 3 else 0)
    assert drains(bench) == [("3", f"epilog failed for job {fluid.encode(id, 'f58')}")]
    assert exceptions(bench, id) == [("epilog", 2, "epilog exited with code=2 on node3 (rank 3)")]
    assert not bench.manager.inactive[id].excepted


def test_a_drain_that_is_refused_does_not_keep_the_job(perilogs):
    bench = perilogs(prolog={})
    id = job(bench)
    for process in started(bench):
        end(process, 256)
    bench.port.rpcs.pop()[2](None, OSError(errno.EINVAL, "no"))
    assert tail(bench, id, 1) == ["clean"]
    assert any("cannot drain rank 0-3: no" in text for _, text in bench.port.log.lines)


def test_an_R_that_cannot_be_read_ends_the_job(perilogs):
    bench = perilogs(prolog={})
    id = bench.submit()
    bench.settle()
    bench.alloc(id, R={"version": 1, "execution": {"R_lite": 5}})
    bench.settle()
    assert tail(bench, id, 4) == ["exception", "prolog-finish", "free", "clean"]
    assert exceptions(bench, id)[0][2].startswith("failed to start job prolog")


# -- time and exceptions ----------------------------------------------------------------------------


def test_a_prolog_that_takes_too_long_is_ended(perilogs):
    bench = perilogs(prolog={"timeout": "1m"})
    id = job(bench)
    processes = started(bench)
    end(processes[0])
    for process in processes[1:]:
        process.each({"type": "started", "pid": 100 + process.rank})
    bench.port.advance(30.0)
    assert query(bench)["procs"] == {
        fluid.encode(id, "f58"): {
            "name": "prolog",
            "state": "running",
            "total": 4,
            "active": 3,
            "active_ranks": "1-3",
            "remaining_time": 30,
        }
    }
    bench.port.advance(30.0)
    assert signals(bench) == [(1, 15), (2, 15), (3, 15)]
    assert query(bench)["procs"][fluid.encode(id, "f58")]["state"] == "timeout"
    for process in processes[1:]:  # one that says it was a success was ended, too
        process.each({"type": "finished", "status": 0 if process.rank == 1 else 15})
        process.ended(OSError(errno.ENODATA, ""))
    assert drains(bench) == [("2-3", f"prolog timed out for job {fluid.encode(id, 'f58')}")]
    assert exceptions(bench, id) == [("prolog", 0, "prolog timed out on node[2-3] (rank 2-3)")]
    bench.port.advance(1000.0)
    assert tail(bench, id, 1) == ["clean"]


def test_an_exception_ends_a_prolog_and_nothing_is_drained(perilogs):
    bench = perilogs(prolog={}, epilog={})
    id = job(bench)
    processes = started(bench)
    for process in processes:
        process.each({"type": "started", "pid": 100 + process.rank})
    bench.manager.except_(bench.job(id), "x", 1, "")
    assert signals(bench) == []
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    assert len(signals(bench)) == 4
    assert query(bench)["procs"][fluid.encode(id, "f58")]["state"] == "canceled"
    for process in processes:
        process.each({"type": "finished", "status": 15})
        process.ended(OSError(errno.ENODATA, ""))
    assert drains(bench) == []
    assert [kind for kind, _, _ in exceptions(bench, id)] == ["x", "cancel", "cancel"]
    assert tail(bench, id, 2) == ["epilog-start", "prolog-finish"]
    assert named(bench, id, "prolog-finish")[0]["status"] == 15
    for process in started(bench):
        end(process)
    assert tail(bench, id, 3) == ["epilog-finish", "free", "clean"]


def test_what_cannot_be_ended_is_given_up_and_its_nodes_are_drained(perilogs):
    bench = perilogs(prolog={"kill-timeout": 5})
    id = job(bench)
    processes = started(bench)
    end(processes[0])
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    bench.port.advance(4.0)
    assert tail(bench, id, 1) == ["exception"]
    bench.port.advance(1.0)
    name = fluid.encode(id, "f58")
    assert drains(bench) == [("1-3", f"prolog canceled then timed out for job {name}")]
    assert exceptions(bench, id)[1] == (
        "prolog",
        0,
        "prolog canceled then timed out on node[1-3] (rank 1-3)",
    )
    assert tail(bench, id, 1) == ["clean"]
    for process in processes[1:]:  # too late, and of no consequence
        end(process, 9)
    assert drains(bench) == []


def test_a_prolog_may_be_told_not_to_mind_exceptions(perilogs):
    bench = perilogs(prolog={"cancel-on-exception": False}, epilog={})
    id = job(bench)
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    assert signals(bench) == []
    for process in started(bench):
        end(process)
    assert [process.payload["cmd"]["cmdline"] for process in started(bench)] == [["epilog"]] * 4
    assert tail(bench, id, 2) == ["epilog-start", "prolog-finish"]


def test_an_epilog_goes_on_after_an_exception(perilogs):
    bench = perilogs(epilog={})
    id = job(bench)
    bench.exec(id, "start")
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    assert started(bench) == []  # its shells are still there
    bench.exec(id, "finish", status=15)
    bench.exec(id, "release", ranks="all", final=True)
    processes = started(bench)
    assert len(processes) == 4
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    assert signals(bench) == []
    for process in processes:
        end(process)
    assert tail(bench, id, 1) == ["clean"]


def test_a_job_whose_shells_were_never_started_has_an_epilog_and_one_only(perilogs):
    bench = perilogs(epilog={})
    id = job(bench)  # its start has been requested
    bench.manager.except_(bench.job(id), "cancel", 0, "")
    assert started(bench) == []
    bench.exec(id, "release", ranks="all", final=True)
    processes = started(bench)
    assert len(processes) == 4
    assert tail(bench, id, 2) == ["release", "epilog-start"]
    assert bench.port.take("sched.free") == []
    for process in processes:
        end(process)
    assert tail(bench, id, 3) == ["epilog-finish", "free", "clean"]


def test_a_job_canceled_between_prolog_and_start_has_an_epilog(perilogs):
    bench = perilogs(prolog={}, epilog={})
    id = job(bench)
    for process in started(bench):
        end(process)
    bench.manager.except_(bench.job(id), "cancel", 0, "")  # the start waits for the commit
    assert tail(bench, id, 2) == ["exception", "epilog-start"]
    for process in started(bench):
        end(process)
    bench.settle()
    assert tail(bench, id, 3) == ["epilog-finish", "free", "clean"]
    assert bench.port.take("job-exec.start") == []
