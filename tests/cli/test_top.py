# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin top: what is counted, where it is placed, and what keys do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rosin.cli.top.model import Facts, Model
from rosin.cli.top.screen import Span, draw
from rosin.cli.top.view import View
from rosin.resource.list import SchedResourceList
from rosin.rfc.fluid import encode
from rosin.rfc.rset import ResourceSet
from rosin.testing.process import RealInstance
from rosin.testing.terminal import Terminal

NOW = 1000.0
QUEUES = {"queues": {"batch": {"requires": ["b"]}, "debug": {"requires": ["d"]}}}
RUN, CLEANUP = 16, 32


def facts(**changes: Any) -> Facts:
    return Facts("", 4, 0, NOW - 90.0, "0.88.0", 0.0, True)._replace(**changes)


def job(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "userid": 7,
        "state": RUN,
        "ntasks": 2,
        "nnodes": 1,
        "t_run": NOW - number,
        "name": f"job{number}",
        **changes,
    }


def resources() -> SchedResourceList:
    """Four nodes of four cores and a GPU, two for each queue; one is in use, one is down."""
    every, used, down = ResourceSet(), ResourceSet(), ResourceSet()
    for rank in range(4):
        every.add_rank(rank, f"n{rank}", 0b1111, 1)
    every.set_property("b", "0-1")
    every.set_property("d", "2-3")
    used.add_rank(0, "n0", 0b11)
    used.set_property("b")
    down.add_rank(3, "n3", 0b1111, 1)
    down.set_property("d")
    states = zip(("all", "allocated", "down"), (every, used, down), strict=True)
    return SchedResourceList({name: rset.encode() for name, rset in states})


STATS = {
    "successful": 5,
    "failed": 1,
    "canceled": 2,
    "timeout": 3,
    "job_states": {"depend": 1, "priority": 2, "sched": 3, "run": 4, "cleanup": 5, "inactive": 11},
    "queues": [{"name": "batch", "successful": 1, "failed": 0, "canceled": 0, "timeout": 0}],
}


@pytest.fixture
def model() -> Model:
    model = Model(facts(), QUEUES, lambda uid: f"u{uid}", NOW)
    model.take_resources(resources())
    model.take_stats(STATS)
    note = {"user": {"uri": "local:///x"}}
    model.take_jobs([job(3, queue="batch", annotations=note), job(2, queue="debug", state=CLEANUP), job(1)])
    return model


def seen(model: Model, rows: int = 24, columns: int = 80) -> list[str]:
    """The lines of the screen, as spans come over each other."""
    grid = [[" "] * columns for _ in range(rows)]
    for span in draw(model, rows, columns):
        for at, char in enumerate(span.text, span.column):
            grid[span.row][at] = char
    return ["".join(line).rstrip() for line in grid]


def looks(model: Model, text: str) -> set[str]:
    (found,) = [span for span in draw(model, 24, 80) if text in span.text]
    return set(found.look)


# -- the model ------------------------------------------------------------------------------------------


def test_everything_of_an_instance(model: Model) -> None:
    ids = [encode(number) for number in (3, 2, 1)]
    assert list(model.lines()) == [
        f"{ids[0]} batch u7 R 2 1 3s job3",
        f"{ids[1]} debug u7 C 2 1 2s job2",
        f"{ids[2]}  u7 R 2 1 1s job1",
        "6 pending",
        "9 running",
        "5 complete",
        "6 failed",
        "nodes 1/4",
        "cores 2/16",
        "gpus 0/4",
    ]


def test_queues_in_turn(model: Model) -> None:
    def state() -> tuple[str | None, tuple[int, ...], list[str], str]:
        return model.queue, tuple(model.counts["cores"]), [row.name for row in model.rows], model.summary()[2]

    assert state() == (None, (2, 4, 16), ["job3", "job2", "job1"], "5 complete")
    model.turn_queue(1)
    assert state() == ("batch", (2, 0, 8), ["job3"], "1 complete")
    model.turn_queue(1)
    assert state() == ("debug", (0, 4, 8), ["job2"], "0 complete")
    model.turn_queue(1)
    assert model.queue is None
    model.turn_queue(-1)
    assert model.queue == "debug"
    model.choose_queue("batch")
    assert model.queue == "batch"
    with pytest.raises(ValueError, match="queue x not configured"):
        model.choose_queue("x")


def test_jobs_are_chosen_in_a_circle(model: Model) -> None:
    chosen = []
    for step in (1, 1, 1, 1, -1, -1):
        model.select(step)
        row = model.chosen()
        assert row is not None
        chosen.append(row.id)
    assert chosen == [3, 2, 1, 3, 1, 2]
    model.take_jobs([job(1)])
    assert model.chosen() is None
    model.select(-1)
    assert model.selected == 1
    model.take_jobs([])
    model.select(1)
    assert model.chosen() is None


def test_what_is_odd_about_jobs(model: Model) -> None:
    never = {key: value for key, value in job(1).items() if key != "t_run"}
    model.take_jobs([never, job(2, state=99, annotations={"user": 5}), job(3, t_run=NOW + 5)])
    assert [(row.state, row.uri, model.runtime(row)) for row in model.rows] == [
        ("?", None, "2s"),
        ("R", None, "0s"),
    ]


# -- the screen -----------------------------------------------------------------------------------------


def test_the_screen(model: Model) -> None:
    lines = seen(model)
    assert lines[0].split() == ["ƒ", "∞"]
    assert lines[1] == "    nodes [|||||||           |||||||1/4]" + " " * 24 + "6 pending"
    assert lines[2] == "    cores [|||               ||||||2/16]" + " " * 24 + "9 running"
    assert lines[3] == "     gpus [                  |||||||0/4]       5 complete,      6 failed"
    assert lines[5].split() == ["size:", "4", "uptime:", "1.5m", "0.88.0"]
    assert lines[6] == "        JOBID    QUEUE     USER ST NTASKS NNODES RUNTIME NAME"
    assert lines[7] == f"{encode(3):>13}    batch       u7  R      2      1      3s job3"
    assert looks(model, "JOBID") == {"reverse"}
    assert looks(model, "job3") == {"blue", "bold"}
    assert looks(model, "job2") == set()
    model.select(1)
    assert looks(model, "job3") == {"blue", "bold", "reverse"}


def test_a_screen_of_a_nested_instance() -> None:
    model = Model(facts(title="ƒA/ƒB", level=2, expiration=NOW + 3600.0, own=False), {}, str, NOW)
    lines = seen(model)
    assert lines[0].split() == ["ƒ", "ƒA/ƒB", "1h", "left"]
    assert "depth: 2" in lines[5]
    assert lines[1] == "    nodes [" + " " * 25 + "0/0]" + " " * 24 + "0 pending"
    assert lines[3].endswith("0 inactive")
    assert lines[6] == "        JOBID     USER ST NTASKS NNODES RUNTIME NAME"
    model.facts = facts(title="/".join(f"ƒ{number}" for number in range(40)))
    assert seen(model)[0].strip("ƒ ").startswith("…")
    assert seen(model)[0].split()[1].endswith("ƒ38/ƒ39")


def test_small_screens_show_what_has_room(model: Model) -> None:
    model.take_jobs([job(number) for number in range(1, 30)])
    for _ in range(20):
        model.select(1)
    assert [line.split()[-1] for line in seen(model, 12)[7:]] == ["job16", "job17", "job18", "job19", "job20"]
    for rows in (1, 5, 7, 8):
        for columns in (1, 10, 79, 200):
            assert all(
                span.row < rows and span.column + len(span.text) <= columns
                for span in draw(model, rows, columns)
            )


def test_names_of_jobs_cannot_control_the_terminal(model: Model) -> None:
    model.take_jobs([job(1, name="a\x1b[2Jb\nc")])
    assert seen(model)[7].endswith(" a?[2Jb?c")


def test_a_queue_without_jobs_and_a_fault(model: Model) -> None:
    model.choose_queue("debug")
    model.take_jobs([])
    model.message = "jobs: lost"
    lines = seen(model)
    assert "No jobs to display in queue debug" in lines[11]
    assert lines[-1] == "jobs: lost"
    model.heart = True
    assert Span(3, 77, "♡") in draw(model, 24, 80)


# -- the command ----------------------------------------------------------------------------------------


def test_it_wants_a_terminal(command: Any) -> None:
    result = command("top")
    assert result.code == 1
    assert "stdin is not a terminal" in result.err


@pytest.fixture(scope="module")
def nested() -> Iterator[RealInstance]:
    """An instance with a job that is one, too."""
    with RealInstance("-s", "2") as instance:
        job = ("submit", "-N1", "--job-name=inner", "--wait-event=memo")
        done = instance.run(*job, sys.executable, "-m", "rosin", "start", "sleep", "1000")
        assert done.returncode == 0, done.stderr
        yield instance
        instance.run("cancel", "--all")


@pytest.mark.system
def test_a_user_looks_around(nested: RealInstance) -> None:
    env = {**nested.env, "FLUX_URI": nested.uri, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    with Terminal(sys.executable, "-m", "rosin", "top", env=env, rows=24, columns=90) as terminal:
        terminal.expect("size: 2")
        terminal.expect("inner")
        terminal.send("j\r")
        terminal.expect("depth: 1")
        terminal.send("d")
        terminal.expect("inactive")
        terminal.resize(30, 100)
        terminal.send("\f")
        terminal.expect("depth: 1")
        terminal.send("q")
        terminal.expect("size: 2")
        terminal.send("q")
        assert terminal.wait() == 0


@pytest.mark.system
def test_on_another_rank_and_to_a_file(nested: RealInstance, tmp_path: Any) -> None:
    dump = tmp_path / "dump"
    done = nested.run("exec", "-n", "-r", "1", sys.executable, "-m", "rosin", "getattr", "local-uri")
    env = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    argv = (sys.executable, "-m", "rosin", "top", f"--test-exit-dump={dump}", done.stdout.strip())
    with Terminal(*argv, env=env) as terminal:
        assert terminal.wait() == 0
    lines = dump.read_text().splitlines()
    assert lines[0].endswith(" inner")
    assert lines[1:3] == ["0 pending", "1 running"]
    assert "nodes 1/2" in lines


class Silent:
    """A terminal that nobody sees."""

    def redraw(self) -> None:
        pass


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"userid": os.getuid()}, "nowhere"),
        ({"userid": os.getuid(), "uri": "foo://x"}, "foo"),
        ({"userid": os.getuid(), "uri": "rubbish"}, "rubbish"),
        ({"userid": os.getuid() + 1}, "another user's instance"),
        ({"uri": None}, ""),
    ],
)
def test_an_instance_that_cannot_be_shown(model: Model, tmp_path: Any, changes: Any, text: str) -> None:
    changes = {"uri": f"local://{tmp_path}/nowhere", "userid": os.getuid(), **changes}
    note = {"user": {"uri": changes["uri"]}}
    model.take_jobs([job(3, annotations=note, userid=changes["userid"])])
    model.select(1)
    view = View(None, model)
    view._terminal = Silent()  # type: ignore[assignment]
    view._do("enter")
    assert text in model.message
    assert bool(model.message) == bool(text)
