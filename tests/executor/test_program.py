# SPDX-License-Identifier: LGPL-3.0-or-later
"""The program of the job, in this process, and what it takes and refuses."""

import os
import pickle
import sys

import pytest

from rosin.errors import FormatError
from rosin.executor import CallProgress, RemoteError, call, pickled, program, progress, report
from rosin.executor.outcome import CallOutcome

from . import work


@pytest.fixture(autouse=True)
def _no_job():
    """This process is no job afterwards."""
    yield
    report._reporter = None


@pytest.fixture
def order(tmp_path, monkeypatch):
    """A file with a call, as a job has it."""
    monkeypatch.setenv("FLUX_JOB_TMPDIR", str(tmp_path))
    monkeypatch.setenv("FLUX_TASK_RANK", "1")
    path = tmp_path / call.FILE
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(fn, *args, mode=0o600, **changes):
        made = call.ShippedCall(pickled.dumps_call(fn, args, {}), ["/some/where"], "", "square")
        path.write_bytes(made._replace(**changes).encode())
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def told(monkeypatch):
    """What the program tells the instance: outcomes, and the number of the task."""
    told = []
    monkeypatch.setattr(
        report.Reporter, "finish", lambda self, outcome: told.append((self.rank, outcome.deliver()))
    )
    return told


def test_a_call(order, told):
    order(work.square, 3)
    assert program.main() == 0
    assert told == [(1, 9)]
    assert sys.path[0] == "/some/where"


def test_what_is_not_a_call_of_this_user(order, told, capsys, monkeypatch, tmp_path):
    path = order(work.square, 3, mode=0o644)
    assert program.main() == 2
    assert "not a file of this user that nobody else may open" in capsys.readouterr().err
    path.chmod(0o600)
    monkeypatch.setattr("rosin.executor.call.os.geteuid", lambda: os.getuid() + 1)
    assert program.main() == 2
    monkeypatch.undo()
    monkeypatch.setenv("FLUX_JOB_TMPDIR", str(tmp_path))
    monkeypatch.setenv("FLUX_TASK_RANK", "0")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert program.main() == 2
    path.unlink()
    for content in (b"", b"{}\n", b"[1]\n", b"nonsense\n", b'{"version":1}\n'):
        path.write_bytes(content)
        path.chmod(0o600)
        assert program.main() == 2, content
    monkeypatch.delenv("FLUX_JOB_TMPDIR")
    assert program.main() == 2
    assert told == []


def test_nobody_to_tell(order, capsys, monkeypatch):
    order(work.square, 3)
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent/socket")
    assert program.main() == 2
    assert "the result of square is lost: " in capsys.readouterr().err


def test_a_stored_call_must_be_what_was_stored():
    data = b"x" * (call.PART + 1)
    stored = call.StoredPickle.of(data, "ns", "call-0")
    assert stored.names() == ["call-0.0", "call-0.1"]
    assert stored.joined(call.parts(data)) == data
    assert call.ShippedCall.decode(call.ShippedCall(stored, [], "", "f").encode()).data == stored
    for parts in ([data[:-1] + b"y"], [data[:-1]], []):
        with pytest.raises(FormatError, match="not what was stored"):
            stored.joined(parts)
    for obj in (None, {}, ["ns", "key", "5", "digest"], ["ns", "key", 5]):
        with pytest.raises(FormatError):
            call.StoredPickle.decode(obj)
    long = program.carry_out(call.ShippedCall(stored._replace(size=1 << 40), [], "", "f"), report.Reporter(0))
    assert isinstance(long.exception(), FormatError)


def test_outcomes():
    assert CallOutcome.of_value({"a": 1}, "f").deliver() == {"a": 1}
    failed = CallOutcome.of_exception(ValueError("amber"))
    again = CallOutcome.from_words(failed.words(), failed.data)
    with pytest.raises(ValueError, match="amber"):
        again.deliver()
    foreign = again._replace(data=pickle.dumps(ValueError("x")).replace(b"ValueError", b"NoneSuch!!"))
    assert isinstance(foreign.exception(), RemoteError)
    assert isinstance(again._replace(data=pickle.dumps(3)).exception(), RemoteError)
    for words in ({}, {"ok": 1}, {"ok": False, "type": 3}):
        with pytest.raises(FormatError):
            CallOutcome.from_words(words, b"")
    for context in ({}, {"data": 3}, {"data": "?"}, {"stored": []}):
        with pytest.raises(FormatError):
            call.data_of(context)


def test_progress_outside_of_a_job():
    assert progress(1, 2, "nobody hears it") is None
    for wrong in (("1",), (True,), (1, "2"), (1, 2, 3)):
        with pytest.raises(TypeError, match=r"progress\(3, 10, 'reading'\)"):
            progress(*wrong)
    with pytest.raises(ValueError, match="finite"):
        progress(float("nan"))


def test_progress_of_a_long_call_is_told_less_often(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("rosin.executor.report.time.monotonic", lambda: now[0])
    reporter, told = report.Reporter(0), []
    monkeypatch.setattr(reporter, "_append", lambda _name, context: told.append(context["done"]))
    for second in range(100_000):
        now[0] = float(second)
        reporter.progress(second, None, "x" * 5000)
    assert 1000 < len(told) < 10_000
    assert told[:3] == [0, 1, 2]


def test_fractions():
    assert [
        CallProgress(done, total).fraction for done, total in ((1, 4), (1, None), (1, 0), (5, 4), (-1, 4))
    ] == [
        0.25,
        None,
        None,
        1.0,
        0.0,
    ]


def test_names():
    import functools

    assert pickled.name_of(functools.partial(work.square, 2)) == "square"
    assert pickled.name_of(functools.partial) == "partial"
    assert pickled.name_of(object()) == "object"
