# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin multi-prog: a command for each task of a job."""

from __future__ import annotations

import os

import pytest

CONFIG = """\
# what each task does
0,2 echo task %t off %o 'a b'  # the first line counts
1-2 echo "x;y" a;b %o%t
1   never
5
*   echo rest %t %o
"""


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "conf").write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(tmp_path / "conf")

    return write


def test_what_would_be_run(command, config):
    result = command("multi-prog", "-n", "0-2,5", config(CONFIG))
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "0: echo task 0 off 0 'a b'",
        "1: echo 'x;y' a ';' b 01",
        "2: echo task 2 off 1 'a b'",
        "5: echo rest 5 0",
    ]


@pytest.mark.parametrize(
    ("text", "words", "code", "message"),
    [
        ("0 a\n", ["--dry-run=0-1"], 1, "conf: No matching line for rank 1"),
        ("0 a\nfoo bar\n", ["-n0"], 1, "conf: line 2: invalid idset: foo: it takes task ranks and a command"),
        ("0 'a\n", ["-n0"], 1, "conf: line 1: '0 'a': No closing quotation"),
        (b"0 \xff\n", ["-n0"], 1, "conf: not UTF-8 text"),
        ("0 a\n", [], 1, "FLUX_TASK_RANK not found or invalid: run this in a job, or with --dry-run"),
    ],
)
def test_what_is_refused(command, config, text, words, code, message):
    result = command("multi-prog", *words, config(text))
    assert result.code == code
    assert message in result.err
    assert result.err.count("\n") == 1


def test_ranks_that_are_none(command, config):
    result = command("multi-prog", "-nx", config("0 a\n"))
    assert result.code == 2
    assert "argument -n/--dry-run: invalid IDset value: 'x'" in result.err


@pytest.mark.parametrize(("word", "code"), [("/nonexistent/x", 127), ("/", 126)])
def test_a_program_that_cannot_be_run(command, config, monkeypatch, word, code):
    monkeypatch.setenv("FLUX_TASK_RANK", "3")
    result = command("multi-prog", config(f"3 {word}\n"))
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"rosin-multi-prog: ERROR: {word}: ")


@pytest.mark.system
def test_in_a_job(real_instance, config, monkeypatch):
    path = config("0 echo task %t of $FLUX_JOB_SIZE\n1 printenv FLUX_TASK_RANK\n")
    done = real_instance.run("run", "-l", "-n2", "rosin", "multi-prog", path, cwd=os.path.dirname(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["0: task 0 of $FLUX_JOB_SIZE", "1: 1"]
