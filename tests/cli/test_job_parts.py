# SPDX-License-Identifier: LGPL-3.0-or-later
"""The parts of the job commands that need no instance."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rosin.cli import cancel, jobs, pgrep, update
from rosin.cli.job import control, events, memo
from rosin.cli.job.output import OutputWriter
from rosin.cli.jobformat import JOBS, PGREP, job_format, plain_ids
from rosin.cli.progress import bar, clock
from rosin.cli.queuelist import QueueRow
from rosin.job.info import JobInfo
from rosin.queue import QueueInfo


def output(capfd, events, **options):
    args = SimpleNamespace(**{"label_io": False, "quiet": False, "verbose": 0, "tail": None, **options})
    printer = OutputWriter(args, "rosin-job")
    printer.start(100.0)
    for event in events:
        printer.output_event({"timestamp": 101.5, **event})
    printer.flush()
    return capfd.readouterr()


def data(text, rank="0", stream="stdout", **more):
    return {"name": "data", "context": {"stream": stream, "rank": rank, "data": text, **more}}


HEADER = {
    "name": "header",
    "context": {"version": 1, "encoding": {"stdout": "UTF-8"}, "count": {"stdout": 1}, "options": {}},
}


def test_streams_and_encodings(capfd):
    found = output(
        capfd,
        [
            HEADER,
            data("ä\n"),
            data("e1\n", stream="stderr"),
            data("Yg==", encoding="base64"),
            data("x", repeat=3, eof=True),
            {"name": "data", "context": {"stream": "stdout", "rank": "0", "eof": True}},
        ],
    )
    assert found.out == "ä\nbxxx"
    assert found.err == "e1\n"


def test_labels(capfd):
    assert output(capfd, [data("a\nb\n", "0-1")], label_io=True).out == "0-1: a\n0-1: b\n"


def test_shell_messages(capfd):
    log = {"level": 3, "message": "oops", "rank": 1, "component": "mpi", "file": "x.py", "line": 7}
    events = [
        {"name": "log", "context": log},
        {"name": "log", "context": {"level": 5, "message": "note"}},
        {"name": "redirect", "context": {"stream": "stdout", "rank": "0", "path": "/f"}},
    ]
    assert output(capfd, events).err == (
        "1.500s: flux-shell[1]: ERROR: mpi: oops\n1.500s: flux-shell: note\n0: stdout redirected to /f\n"
    )
    assert "ERROR: mpi: x.py:7: oops" in output(capfd, events, verbose=1).err
    assert output(capfd, events, quiet=True).err == ""


def test_tail_begins_at_the_sentinel(capfd):
    events = [HEADER, data("1\n"), data("2\n"), data("3\n"), {"name": ""}, data("4\n")]
    assert output(capfd, events, tail=2).out == "2\n3\n4\n"
    assert output(capfd, events, tail=0).out == "4\n"
    assert output(capfd, events[:4], tail=2).out == ""


def test_memos():
    assert memo.make_memo("p", ["a.b=1", "a.c=x", "d=null"]) == {"a": {"b": 1, "c": "x"}, "d": None}
    for pairs in (["x"], ["a=1", "a.b=2"]):
        with pytest.raises(SystemExit):
            memo.make_memo("p", pairs)


def test_names_of_logs():
    assert events.log_path("exec") == ("guest.exec.eventlog", "done")
    assert events.log_path("guest.output") == ("guest.output", "")
    assert events.log_path("other") == ("other", "")


def test_notes_behind_job_ids():
    found = control.jobids_and_note("p", ["f1", "0x10", "two words", "f2"], None)
    assert found == ([("f1", 0), ("0x10", 16)], "two words f2")
    assert control.jobids_and_note("p", ["f1"], "note") == ([("f1", 0)], "note")
    with pytest.raises(SystemExit):
        control.jobids_and_note("p", ["f1", "a b"], "note")


def test_states_and_signals(capsys):
    assert control.active_states("p", "run,depend") == 16 | 2
    assert control.signal_number("p", "kill", "USR1") == 10
    for call in (
        lambda: control.active_states("p", "foo"),
        lambda: control.active_states("p", "inactive"),
        lambda: control.signal_number("p", "kill", "FOO"),
    ):
        with pytest.raises(SystemExit):
            call()
    assert capsys.readouterr().err == (
        "p: error parsing --states: foo is unknown: it takes states, as in pending,RUN,inactive\n"
        "p: Exceptions cannot be raised on inactive jobs\n"
        "p: kill: Invalid signal FOO: it takes a name or a number, as in SIGUSR1, TERM or 15\n"
    )
    assert cancel.state_mask(["pending", "RUN"]) == 2 | 4 | 8 | 16
    with pytest.raises(ValueError, match="Invalid state foo specified"):
        cancel.state_mask(["run,foo"])
    with pytest.raises(ValueError, match="Invalid user nobody-of-that-name specified"):
        cancel.user_id("nobody-of-that-name")
    assert (cancel.user_id("root"), cancel.user_id("17"), cancel.user_id("all")) == (0, 17, 0xFFFFFFFF)


def job(**values):
    return JobInfo(
        {"id": 1 << 24, "userid": 0, "urgency": 16, "t_submit": 1.0, "state": 64, "result": 1, **values}
    )


def test_searching_jobs():
    one = job(name="train-7")
    assert pgrep.matcher(["train"])(one)
    assert pgrep.matcher(["name:^train-.$"])(one)
    assert not pgrep.matcher(["^rain"])(one)
    assert pgrep.matcher(["f1..fZZZZZ"])(one)
    assert not pgrep.matcher(["f1..f2", "train"])(one)
    assert pgrep.matcher(["name:7..?"])(job(name="7ab"))
    for words in (["("], ["a", "b"]):
        with pytest.raises(ValueError):
            pgrep.matcher(words)


def test_updates_of_durations():
    assert update.new_duration("1m", 1, None) == 60.0
    assert update.new_duration("inf", 1, None) == 0.0
    assert update.new_duration("+1m", 1, 60.0) == 120.0
    assert update.new_duration("-30", 1, 60.0) == 30.0
    with pytest.raises(ValueError, match=r"current duration for .* \(1m\) cannot be reduced by 1m"):
        update.new_duration("-1m", 1, 60.0)
    with pytest.raises(ValueError, match=r"is unlimited, can't update by \+1m"):
        update.new_duration("+1m", 1, 0.0)
    assert update.full_key("name") == "attributes.system.job.name"
    assert update.full_key("queue") == "attributes.system.queue"
    assert update.full_key("attributes.user.x") == "attributes.user.x"


def test_the_bar():
    assert bar(0.5, 4) == "│██  │"
    assert bar(1 / 32, 4) == "│▏   │"
    assert bar(2.0, 2) == "│██│"
    assert clock(3661.4) == "1:01:01"


@pytest.mark.parametrize("name", sorted(JOBS))
def test_all_formats_of_jobs_work(name):
    fmt = job_format(JOBS[name][1])
    for one in (job(), job(state=16, t_run=2.0, nodelist="n1", nnodes=1, ntasks=2, name="a-long-job-name")):
        assert one.id.f58 in fmt.format(one)


def test_the_formats_of_pgrep_work():
    for _, source in PGREP.values():
        assert job().id.f58 in job_format(source).format(job())


def test_fields_of_annotations_need_no_list():
    fmt = job_format("{annotations.a.b} {user.x} {sched.y}")
    assert fmt.header() == "A.B USER.X SCHED.Y"
    assert fmt.format(job(annotations={"a": {"b": 1}, "user": {"x": "u"}})) == "1 u "
    with pytest.raises(ValueError, match="Error in user format: Unknown format field: foo"):
        job_format("{foo}")


def test_ascii_ids(monkeypatch):
    assert plain_ids("{id} {id.f58:>9} {id.dec!r} {{x}}") == "{id.f58plain} {id.f58plain:>9} {id.dec!r} {{x}}"
    monkeypatch.setenv("FLUX_F58_FORCE_ASCII", "1")
    assert job_format("{id}").format(job()) == job().id.f58plain
    from rosin.cli.base import id_text

    assert id_text(1 << 24) == job().id.f58plain


def test_hosts_and_ranks():
    assert jobs._located("0-3") == {"ranks": ["0-3"]}
    assert jobs._located("a[1-2]") == {"hostlist": ["a[1-2]"]}
    with pytest.raises(ValueError, match=r"-i/--include: invalid targets: \[\["):
        jobs._located("[[")


class Amounts:
    nnodes, ncores, ngpus = 4, 16, 0


class Resources:
    all = Amounts

    def copy_constraint(self, _constraint):
        return self


def test_rows_of_queues():
    config = {"queues": {"a": {"policy": {"limits": {"job-size": {"max": {"nnodes": 2}}}}}}}
    row = QueueRow(QueueInfo("a", config, Resources(), True, False, True, blocked="parent"), True)
    assert (row.queuem, row.submission, row.scheduling) == ("a*", "enabled", "stopped (parent)")
    assert (row.enabled.ascii, row.started.ascii) == ("y", "p")
    assert (row.limits.range.nnodes, row.limits.range.effective.ncores) == ("0-2", "0-16")  # type: ignore[attr-defined]
    assert row.color_started == "\033[01;33m"
    plain = QueueRow(QueueInfo("", {}, Resources(), False, False, True), False)
    assert (plain.color_enabled, plain.queuem, plain.enabled.ascii) == ("", "", "n")
