# SPDX-License-Identifier: LGPL-3.0-or-later
"""Traces: what is read of them, what is refused, and those that are made."""

import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.simulate import trace
from rosin.simulate.generate import LIMITS, generate
from rosin.simulate.trace import TraceJob, Workload

LINE = "1 10 -1 60 4 -1 -1 8 120 -1 1 7 -1 -1 -1 -1 -1 -1"


def read(text, **options):
    return trace.read(io.StringIO(text), **options)


def test_a_trace():
    text = f"""; Version: 2.2
;  MaxNodes: 16 (some of them)
; MaxProcs: many
; Version: 3
; no more than a remark
{LINE}

2 5 -1 60 4 -1 -1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1
3 5 -1 -1 4 -1 -1 4 60 -1 5 1 -1 -1 -1 -1 -1 -1
4 5 -1 6 0 -1 -1 -1 60 -1 0 1 -1 -1 -1 -1 -1 -1
5 20 0 900 2 -1 -1 2 60 -1 1 1 -1 -1 -1 -1 -1 -1
"""
    found = read(text)
    assert found.jobs == [
        TraceJob(5.0, 60.0, 4, 60.0, 0),
        TraceJob(10.0, 60.0, 8, 120.0, 7),
        TraceJob(20.0, 60.0, 2, 60.0, 1),  # it was ended at its limit
    ]
    assert (found.skipped, found.header["Version"]) == (2, "2.2")
    assert [found.number(name) for name in ("MaxNodes", "MaxProcs", "MaxJobs")] == [16, 0, 0]
    assert len(read(text, most=1).jobs) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1 2 3\n", "line 1: expected 18 numbers, got 3 words"),
        (f"; A: b\n{LINE.replace('60', 'x')}\n", "line 2: could not convert string to float: 'x'"),
        (LINE.replace("60", "nan"), "line 1: a number is not finite, less than -1, or too large"),
        (LINE.replace("60", "1e11"), "line 1: a number is not finite, less than -1, or too large"),
        (LINE.replace(" 8 ", " 3000000000 "), "line 1: a number is not finite, less than -1, or too large"),
        (LINE.replace(" 10 ", " -2 "), "line 1: a number is not finite, less than -1, or too large"),
        ("; " + 5000 * "x", "a line has more than 4096 characters"),
    ],
)
def test_what_is_refused(text, error):
    with pytest.raises(FormatError) as info:
        read(text)
    assert str(info.value) == error


@settings(max_examples=50)
@given(st.text(alphabet="0123456789 .-;e\n:x", max_size=200))
def test_any_text(text):
    try:
        read(text)
    except FormatError:
        pass


def test_files(tmp_path):
    plain, packed = tmp_path / "t.swf", tmp_path / "t.swf.gz"
    plain.write_text(LINE)
    packed.write_bytes(gzip.compress(LINE.encode()))
    assert trace.load(str(plain)) == trace.load(str(packed))
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(FormatError, match=r"t\.swf\.gz: "):
        trace.load(str(packed))
    packed.write_bytes(b"no archive")
    with pytest.raises(FormatError, match=r"t\.swf\.gz: Not a gzipped file"):
        trace.load(str(packed))
    plain.write_text("1")
    with pytest.raises(FormatError, match=r"t\.swf: line 1: expected 18 numbers"):
        trace.load(str(plain))
    with pytest.raises(FileNotFoundError):
        trace.load(str(tmp_path / "none"))


jobs = st.builds(
    lambda submit, run, procs, more, user: TraceJob(
        float(submit), float(run), procs, float(run + more), user
    ),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(1, 5000),
    st.integers(1, 100),
    st.integers(0, 99),
)


@given(st.lists(jobs, max_size=5))
def test_round_trip(found):
    found = Workload(sorted(found, key=lambda job: job.submit), {"MaxProcs": "5000"})
    file = io.StringIO()
    trace.write(file, found)
    assert read(file.getvalue()) == found


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(1, 5000), st.floats(0.05, 3.0), st.integers(0, 5))
def test_generated(count, procs, load, seed):
    made = generate(count, procs, load, seed)
    assert made == generate(count, procs, load, seed)
    assert len(made.jobs) == count
    assert [job.submit for job in made.jobs] == sorted(job.submit for job in made.jobs)
    assert made.jobs[0].submit >= 0
    for job in made.jobs:
        assert 1 <= job.procs <= procs
        assert 1 <= job.run <= job.limit
        assert job.limit in LIMITS


def test_generated_as_asked_for():
    """The load, and what the model says of sizes and of the times of the day."""
    made = generate(20000, 1024, 0.5, 3)
    span = made.jobs[-1].submit
    assert trace.work(made.jobs) / (span * 1024) == pytest.approx(0.5, rel=0.02)
    serial = sum(job.procs == 1 for job in made.jobs) / 20000
    assert 0.22 < serial < 0.27
    powers = sum(job.procs & (job.procs - 1) == 0 for job in made.jobs) / 20000
    assert powers > 0.75
    night = sum(job.submit % 86400 < 6 * 3600 for job in made.jobs)
    noon = sum(9 * 3600 <= job.submit % 86400 < 15 * 3600 for job in made.jobs)
    assert noon > 2 * night
    assert generate(20000, 1024, 0.5, 4) != made
