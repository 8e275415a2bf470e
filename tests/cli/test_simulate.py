# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin simulate``: what it prints, what it refuses."""

import io
import json

import pytest

from rosin.cli import simulate


@pytest.fixture
def run(capfd):
    def run(*argv):
        code: object
        try:
            code = simulate.main([str(word) for word in argv], "rosin-simulate")
        except SystemExit as end:
            code = end.code
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def trace(run, tmp_path):
    code, out, _ = run("--generate=60", "--nodes=2", "--cores=4", "--load=1.5")
    assert code == 0
    path = tmp_path / "t.swf"
    path.write_text(out)
    return path


def test_a_table(run, trace, tmp_path):
    picture = tmp_path / "p.svg"
    code, out, err = run(trace, "--cores=4", "--policy=fcfs,easy", f"--plot={picture}")
    assert (code, err) == (0, "")
    first, header, *rows = out.splitlines()
    assert first == "60 jobs, 2 nodes, 8 cores"
    assert header.startswith("POLICY")
    assert [row.split()[:2] for row in rows] == [["fcfs", "60"], ["easy", "60"]]
    assert picture.read_text().startswith("<svg")


def test_json_and_settings(run, trace, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(trace.read_text()))
    options = ("--json", "--jobs=30", "--policy=easy", "--whole-nodes", "-N3", "-c8")
    code, out, _ = run("-", *options, "--set=backfill-depth=1", "--set", "alloc-mode=best-fit")
    (found,) = map(json.loads, out.splitlines())
    assert (code, found["policy"], found["jobs"]) == (0, "easy", 30)


def test_r_and_another_scheduler(run, trace, tmp_path):
    lite = [{"rank": "0-2", "children": {"core": "0-3"}}]
    R = tmp_path / "R"
    R.write_text(json.dumps({"version": 1, "execution": {"R_lite": lite, "nodelist": ["n[0-2]"]}}))
    code, out, _ = run(trace, f"--R={R}", "--scheduler=sched-backfill")
    assert (code, out.splitlines()[0]) == (0, "60 jobs, 3 nodes, 12 cores")
    assert out.splitlines()[2].startswith("sched-backfill ")


def test_jobs_that_never_fit(run, trace):
    code, out, _ = run(trace, "-N1", "-c1", "--policy=fcfs", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["refused"] > 0
    assert found["jobs"] + found["refused"] == 60


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        ([], 2, "expected either TRACE or --generate=N, such as --generate=1000 >trace.swf"),
        (["--generate=0"], 2, "expected a number from 1 to 5000000, got '0'"),
        (["--generate=5", "--load=x"], 2, "expected a number from 0.01 to 10, such as 0.7, got 'x'"),
        (["t", "--set=x"], 2, "expected KEY=VALUE, such as backfill-depth=100, got 'x'"),
        (["t", "--R=x", "-N1"], 2, "--R says how many nodes and cores there are"),
        (["/nonexistent"], 1, "/nonexistent: No such file or directory"),
        (["/dev/null"], 1, "/dev/null: no job of it has run"),
    ],
)
def test_what_is_refused(run, argv, code, text):
    found, _, err = run(*argv)
    assert found == code
    assert text in err
    assert "Traceback" not in err


def test_what_the_simulation_refuses(run, trace, tmp_path):
    for argv, text in (
        (["--policy=best"], "queue-policy: expected one of fcfs, easy, hybrid, conservative, got 'best'"),
        (["--set=colour=red"], "unknown option 'colour=red'"),
        (["--scheduler=none"], "module not found in search path: none"),
        ([f"--R={trace}"], "t.swf: not an R object: Expecting value"),
        ([f"--plot={tmp_path}/no/where", "--policy=fcfs"], "No such file or directory"),
    ):
        code, _, err = run(trace, *argv)
        assert code == 1
        assert text in err
        assert "Traceback" not in err
