# SPDX-License-Identifier: LGPL-3.0-or-later
"""Logs, contexts and keys of jobs of flux-core 0.88: every format that has a part in them reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rosin.rfc import (
    eventlog,
    exec_eventlog,
    ioencode,
    jobpath,
    resource_events,
    states,
    taskmap,
)
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset import format as rset_format

INACTIVE, SCHED, CLEANUP = 64, 8, 32

#: Two tasks that exit with 3, submitted with the debug flag.
PRIMARY = """\
{"timestamp":1.5,"name":"submit","context":{"userid":0,"urgency":16,"flags":2,"version":1}}
{"timestamp":1.5,"name":"validate"}
{"timestamp":1.5,"name":"depend"}
{"timestamp":1.5,"name":"priority","context":{"priority":16}}
{"timestamp":1.5,"name":"debug.alloc-request"}
{"timestamp":1.5,"name":"alloc","context":{"annotations":{"sched":{"resource_summary":"rank0/core[0-1]"}}}}
{"timestamp":1.5,"name":"debug.start-request"}
{"timestamp":1.5,"name":"start"}
{"timestamp":1.5,"name":"finish","context":{"status":768}}
{"timestamp":1.5,"name":"release","context":{"ranks":"all","final":true}}
{"timestamp":1.5,"name":"free"}
{"timestamp":1.5,"name":"clean"}
"""
EXECUTION = """\
{"timestamp":1.5,"name":"init"}
{"timestamp":1.5,"name":"starting"}
{"timestamp":1.5,"name":"shell.init","context":{"service":"0-shell-fUKqmFd","leader-rank":0,"size":1}}
{"timestamp":1.5,"name":"shell.start","context":{"taskmap":{"version":1,"map":[[0,1,2,1]]}}}
{"timestamp":1.5,"name":"shell.task-exit","context":{"localid":0,"rank":0,"state":"Exited","pid":71,\
"wait_status":768,"signaled":0,"exitcode":3}}
{"timestamp":1.5,"name":"shell-exit","context":{"rank":0,"wait_status":768}}
{"timestamp":1.5,"name":"complete","context":{"status":768}}
{"timestamp":1.5,"name":"done"}
"""
OUTPUT = """\
{"timestamp":1.5,"name":"header","context":{"version":1,"encoding":{"stdout":"UTF-8","stderr":"UTF-8"},\
"count":{"stdout":2,"stderr":2},"options":{}}}
{"timestamp":1.5,"name":"data","context":{"stream":"stderr","rank":"0","data":"err\\n"}}
{"timestamp":1.5,"name":"data","context":{"stream":"stdout","rank":"0","data":"out\\n"}}
{"timestamp":1.5,"name":"data","context":{"stream":"stderr","rank":"0","eof":true}}
{"timestamp":1.5,"name":"data","context":{"stream":"stdout","rank":"0","encoding":"base64","data":"//4="}}
{"timestamp":1.5,"name":"data","context":{"stream":"stdout","rank":"0","eof":true}}
"""


@pytest.mark.rfc_vectors(18)
@pytest.mark.rfc(18, "one-line", "timestamp", "name", "context")
@pytest.mark.parametrize("log", [PRIMARY, EXECUTION, OUTPUT], ids=["primary", "execution", "output"])
def test_logs_are_written_as_they_are_read(log: str) -> None:
    entries = eventlog.decode_entries(log)
    assert entries == [json.loads(line) for line in log.splitlines()]
    assert eventlog.encode_entries(entries) == log


@pytest.mark.rfc_vectors(21)
@pytest.mark.rfc(21, "replay", "other-events")
def test_the_primary_log() -> None:
    assert states.replay(eventlog.decode_entries(PRIMARY)) == INACTIVE


BEGIN: list[tuple[str, Any]] = [
    ("submit", {"userid": 0, "urgency": 16, "flags": 0, "version": 1}),
    ("validate", None),
    ("depend", None),
    ("priority", {"priority": 16}),
]
RUNNING = [*BEGIN, ("alloc", {"annotations": {}}), ("start", None)]
END: list[tuple[str, Any]] = [
    ("release", {"ranks": "all", "final": True}),
    ("free", None),
    ("clean", None),
]
DEPENDENCY = {"description": "after-success=ƒuZZybuNNy"}


def raised(kind: str, note: str = "", **more: int) -> tuple[str, Any]:
    return ("exception", {"type": kind, "severity": 0, "note": note, **more})


@pytest.mark.rfc_vectors(21)
@pytest.mark.rfc(21, "replay", "contexts", "transitions", "exception-severity")
@pytest.mark.parametrize(
    ("events", "state", "result"),
    [
        (
            [
                *RUNNING,
                raised("timeout", "resource allocation expired", userid=0),
                ("finish", {"status": 142 << 8}),
                *END,
            ],
            INACTIVE,
            "TIMEOUT",
        ),
        (
            [*RUNNING, raised("cancel", userid=0), ("finish", {"status": 143 << 8}), *END],
            INACTIVE,
            "CANCELED",
        ),
        (
            [*RUNNING, raised("exec", "failed", wait_status=11), ("finish", {"status": 139 << 8}), *END],
            INACTIVE,
            "FAILED",
        ),
        ([*RUNNING, ("finish", {"status": 139 << 8}), *END], INACTIVE, "FAILED"),
        (
            [
                BEGIN[0],
                ("dependency-add", DEPENDENCY),
                BEGIN[1],
                raised("dependency", "the job before it failed"),
                ("clean", None),
            ],
            INACTIVE,
            "FAILED",
        ),
        (
            [
                *BEGIN[:3],
                ("priority", {"priority": 0}),
                ("urgency", {"userid": 0, "urgency": 20}),
                ("priority", {"priority": 20}),
            ],
            SCHED,
            None,
        ),
        ([("submit", {"userid": 0, "urgency": 16, "flags": 4, "version": 1}), *BEGIN[1:]], SCHED, None),
        (
            [
                *RUNNING,
                ("jobspec-update", {"attributes.system.duration": 60.0}),
                ("resource-update", {"expiration": 1700000060.25}),
                ("finish", {"status": 0}),
            ],
            CLEANUP,
            None,
        ),
    ],
    ids=["walltime", "cancel", "segv-exit", "segv", "afterok", "hold", "waitable", "duration"],
)
def test_situations(events: list[tuple[str, Any]], state: int, result: str | None) -> None:
    log = [eventlog.entry(name, context, 1.5) for name, context in events]
    assert states.replay(log) == state
    if result is not None:
        contexts = dict(reversed(events))
        kind = contexts.get("exception", {}).get("type")
        status = contexts.get("finish", {"status": -1})["status"]
        assert states.result_name(states.job_result(status, kind)) == result


@pytest.mark.rfc_vectors(50)
@pytest.mark.rfc(50, "init-first", "complete", "done-last", "shell-events", "shell-exit", "contexts")
def test_the_execution_log() -> None:
    entries = eventlog.decode_entries(EXECUTION)
    for end in range(len(entries) + 1):
        exec_eventlog.validate(entries[:end])
    (start,) = (entry for entry in entries if entry["name"] == "shell.start")
    assert taskmap.TaskMap.decode(start["context"]["taskmap"]).encode_raw() == "0-1"


WRITTEN = [
    ioencode.header({"stdout": 2, "stderr": 2}),
    ioencode.encode_data("stderr", 0, b"err\n"),
    ioencode.encode_data("stdout", 0, b"out\n"),
    ioencode.encode_data("stderr", 0, eof=True),
    ioencode.encode_data("stdout", 0, b"\xff\xfe"),
    ioencode.encode_data("stdout", 0, eof=True),
]


@pytest.mark.rfc_vectors(24)
@pytest.mark.rfc(24, "header", "default-encoding", "encodings", "event-encoding", "eof", "rank")
@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_the_output_log(number: int) -> None:
    assert eventlog.decode_entries(OUTPUT)[number]["context"] == WRITTEN[number]
    encodings = ioencode.decode_header(WRITTEN[0])
    if number:
        data = ioencode.decode_data(WRITTEN[number], encodings)
        wanted = [(b"err\n", False), (b"out\n", False), (b"", True), (b"\xff\xfe", False), (b"", True)]
        assert (data.data, data.eof) == wanted[number - 1]


@pytest.mark.rfc_vectors(20)
@pytest.mark.rfc(20, "nodelist-order", "nodelist", "times", "nslots")
@pytest.mark.parametrize(
    ("rank", "cores", "hosts"), [("0", "0-1", "vm"), ("0-1", "0-1", "vm,vm")], ids=["one", "two on a host"]
)
def test_stored_resources(rank: str, cores: str, hosts: str) -> None:
    execution = {
        "R_lite": [{"rank": rank, "children": {"core": cores}}],
        "starttime": 1700000000.5,
        "expiration": 0.0,
        "nslots": 2,
        "nodelist": [hosts],
    }
    R = {"version": 1, "execution": execution}
    rset_format.validate(R)
    rset = ResourceSet.decode(R)
    assert rset.nodelist().encode() == hosts
    assert [rset.host(rank) for rank in rset] == hosts.split(",")
    again = rset.encode()["execution"]
    assert (again["nodelist"], again["nslots"], again["R_lite"]) == ([hosts], 2, execution["R_lite"])


def event(name: str, **context: Any) -> dict[str, Any]:
    return {"timestamp": 1.5, "name": name, "context": context}


@pytest.mark.rfc_vectors(44)
@pytest.mark.rfc(44, "restart", "define", "drain", "ranks-events")
@pytest.mark.parametrize(
    "entries",
    [
        [
            event("restart", ranks="0-1", online="", nodelist="vm,vm"),
            event("online", idset="0"),
            event("resource-define", method="dynamic-discovery"),
            event("online", idset="1"),
        ],
        [
            event("resource-define", method="dynamic-discovery"),
            event("drain", idset="1", nodelist="vm", reason="testing", overwrite=0),
        ],
    ],
    ids=["journal", "stored"],
)
def test_resource_logs(entries: list[dict[str, Any]]) -> None:
    assert [resource_events.validate(entry) for entry in entries] == entries


KEYS = ["J", "R", "eventlog", "jobspec", "guest.exec.eventlog", "guest.input", "guest.output"]


@pytest.mark.rfc_vectors(16)
@pytest.mark.rfc(16, "directory")
@pytest.mark.parametrize("key", KEYS)
def test_keys_of_a_job(key: str) -> None:
    jobid = 0x42D000000
    assert jobpath.job_key(jobid, key) == f"job.0000.0004.2d00.0000.{key}"
    if key.startswith("guest."):
        assert jobpath.guest_key(jobid, key.removeprefix("guest.")) == jobpath.job_key(jobid, key)
