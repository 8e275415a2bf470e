# SPDX-License-Identifier: LGPL-3.0-or-later
"""Why jobs wait: what the facts mean, and what is known on instances that cannot say more."""

import errno
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from rosin.job import why

SOURCES = Path(__file__).parents[2] / "src" / "rosin" / "modules"
WANTED = {"unit": "slot", "needed": 4, "free": 0, "cores": 1, "gpus": 0, "exclusive": False}


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ({"kind": "validate"}, "it is being checked"),
        (
            {"kind": "dependency", "description": "after-success=ƒ3", "jobid": 2, "state": "RUN"},
            "it waits for ƒ3 to succeed, which is in state RUN",
        ),
        ({"kind": "dependency", "description": "after-start=x"}, "it waits for x to start"),
        (
            {"kind": "dependency", "description": "singleton"},
            "it waits until no other job of its name is active",
        ),
        ({"kind": "dependency", "description": "max-jobs"}, "it waits for the dependency max-jobs"),
        ({"kind": "begin-time", "begin": 5.0}, "it is not to start before T5"),
        (
            {"kind": "expiration", "expiration": 5.0},
            "the instance ends at T5, before this job would be over",
        ),
        ({"kind": "hold", "urgency": 0}, "it is held: its urgency is 0"),
        ({"kind": "hold", "urgency": 16}, "it is held: its priority is 0"),
        ({"kind": "queue", "queue": None, "reason": None}, "the queue is stopped"),
        ({"kind": "queue", "queue": "a", "reason": "tests"}, "its queue 'a' is stopped: tests"),
        ({"kind": "queue-depth", "limit": 8}, "the scheduler looks at 8 jobs at a time"),
        ({"kind": "backfill-depth", "limit": 9}, "only the first 9 jobs behind the first may overtake it"),
        ({"kind": "start", "service": "job-exec"}, "its job shells start"),
        ({"kind": "start", "service": None}, "no execution service is loaded"),
        ({"kind": "infeasible", "note": "too big"}, "it can never run: too big"),
        ({"kind": "order", "jobid": 2}, "ƒ3 is first, and nobody overtakes it"),
        ({"kind": "order"}, "another job is first, and nobody overtakes it"),
        (
            {"kind": "order", "jobid": 2, "unlimited": True},
            "nobody overtakes ƒ3, which waits for jobs without a time limit",
        ),
        (
            {"kind": "reservation", "jobid": 2, "start": 7.0},
            "ƒ3 is promised resources from T7, before this job would be over",
        ),
        (
            {**WANTED, "kind": "resources", "held_by": [2, 3]},
            "it needs 4 slots of 1 core, and there is room for none; resources are held by ƒ3, ƒ4",
        ),
        (
            {**WANTED, "kind": "resources", "unit": "node", "needed": 1, "cores": 2, "gpus": 1},
            "it needs 1 node with 2 cores and 1 GPU, and there is room for none",
        ),
        (
            {**WANTED, "kind": "resources", "unit": "node", "free": 3, "gpus": 2},
            "it needs 4 nodes with 1 core and 2 GPUs each, and there is room for 3",
        ),
        (
            {**WANTED, "kind": "down", "unit": "node", "exclusive": True, "nodes": "n[1-2]"},
            "it needs 4 whole nodes, and n[1-2] are down or drained",
        ),
        ({**WANTED, "kind": "down", "nodes": "n1"}, "it needs 4 slots of 1 core, and n1 is down or drained"),
        ({"kind": "of-tomorrow"}, "of-tomorrow"),
    ],
)
def test_sentences(reason, text):
    assert why.sentence(reason, lambda seconds: f"T{seconds:g}") == text


def test_every_kind_has_its_sentence():
    known = {*why._WORDS, *why._TEXTS, *why._TIMES}
    sources = (SOURCES / "sched").glob("*.py"), (SOURCES / "job_manager").glob("why.py")
    used = {
        kind
        for paths in sources
        for path in paths
        for kind in re.findall(r'"kind": "([\w-]+)"', path.read_text())
    }
    assert used == known


def test_an_answer():
    answer = {"reasons": [{"kind": "prolog"}], "ahead": 1, "t_estimate": 5.0}
    assert why.sentences(answer, str) == [
        "its prolog runs",
        "1 job is ahead of it",
        "it is expected to start at 5.0",
    ]
    assert why.sentences({"reasons": [], "ahead": 2}) == ["2 jobs are ahead of it"]
    assert why.sentences({"reasons": [], "ahead": 0}) == []
    assert re.fullmatch(
        r"it is expected to start at 1970-01-\d\d \d\d:\d\d:\d\d [+-]\d{4}",
        why.sentences({"reasons": [], "t_estimate": 9.0})[0],
    )


class FluxCore:
    """An instance whose job manager does not know the request."""

    def __init__(self, job, errnum=errno.ENOSYS):
        self.job, self.errnum = job, errnum

    def rpc(self, topic, payload):
        def get():
            if topic == "job-manager.why":
                raise OSError(self.errnum, "no")
            assert (topic, payload["id"]) == ("job-list.list-id", 2)
            return {"job": {"id": 2, **self.job}}

        return SimpleNamespace(get=get)


@pytest.mark.parametrize(
    ("job", "found"),
    [
        ({"state": 2, "dependencies": ["after-start=ƒ3"]}, ["it waits for ƒ3 to start"]),
        ({"state": 8, "urgency": 0, "priority": 0}, ["it is held: its urgency is 0"]),
        (
            {"state": 8, "urgency": 16, "priority": 16, "annotations": {"sched": {"t_estimate": 9.0}}},
            ["the scheduler has its request, and says no more", "it is expected to start at 9.0"],
        ),
        ({"state": 16}, []),
    ],
)
def test_on_flux_core(job, found):
    assert why.sentences(why.job_why(FluxCore(job), "ƒ3"), str) == found


def test_errors():
    with pytest.raises(FileNotFoundError, match="job is inactive"):
        why.job_why(FluxCore({"state": 64}), 2)
    with pytest.raises(PermissionError):
        why.job_why(FluxCore({}, errno.EPERM), 2)
