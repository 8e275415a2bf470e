# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin pstree: an instance, its jobs, and those of the instances among them."""

from __future__ import annotations

import json
import re

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def instances():
    """An instance with two jobs, one of them an instance with two jobs that look alike."""
    resources = json.dumps({"resource": {"noverify": True, "config": [{"hosts": "h", "cores": "0-7"}]}})
    with RealInstance(f"--conf={resources}") as outer:
        inner = outer.run("alloc", "--bg", "-n2", "--job-name=work").stdout.strip()
        for words in (["--job-name=a"], ["--job-name=false"]):
            outer.run("submit", "--quiet", "--wait-event=start", *words, "sleep", "inf")
        outer.run(
            "proxy", inner, "rosin", "submit", "--quiet", "--wait-event=start", "--cc=1-2", "sleep", "inf"
        )
        yield outer, inner
        outer.run("cancel", "--all")


@pytest.fixture
def instance(instances):
    return instances[0]


@pytest.fixture
def inner(instances):
    """The job of it that is an instance."""
    return instances[1]


@pytest.fixture
def tree(instance, inner):
    def run(*words, where=None):
        before = [] if where is None else ["proxy", where, "rosin"]
        done = instance.run(*before, "pstree", *words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.replace(inner, "ID")

    return run


def test_the_tree(tree):
    assert tree() == ".\n├── false\n├── a\n└── work\n    └── 2*[sleep]\n"
    assert tree("--ascii", "-X") == ".\n|-- false\n|-- a\n`-- work\n    |-- sleep\n    `-- sleep\n"
    assert tree("-C", "-a") == ".\n├─false:R\n├─a:R\n└─work\n  └─2*[sleep:R]\n"
    assert tree("-L0") == ".\n├── false\n├── a\n└── work\n"
    assert tree("--skip-root=yes", "-p") == "false\na\nID work\n└── 2*[sleep]\n"
    assert tree("-c1") == ".\n└── false\n"
    assert tree("-f", "inactive") == ".\n"


def test_labels(tree):
    assert tree("-o", "{name}/{ntasks}") == "./1\n├── false/1\n├── a/1\n└── work/1\n    └── 2*[sleep/1]\n"
    assert tree("--parent-label={id.f58}") == ".\n├── false\n├── a\n└── ID\n    └── 2*[sleep]\n"


def test_jobs_by_their_ids(tree, instance, inner):
    assert tree(inner) == "work\n└── 2*[sleep]\n"
    done = instance.run("pstree", "-a", inner)
    assert (done.returncode, done.stderr) == (
        0,
        "rosin-pstree: WARNING: filtering options ignored with jobid list\n",
    )
    done = instance.run("pstree", "12345")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "JobID 12345 unknown\n")


def test_from_inside(tree, inner):
    """The instance is a job, and has its name."""
    assert tree(where=inner) == "work\n└── 2*[sleep]\n"


def test_details(tree):
    head, *lines = tree("-x").splitlines()
    assert head.split() == ["JOBID", "USER", "ST", "NTASKS", "NNODES", "RUNTIME"]
    assert [line.split()[-1] for line in lines] == ["false", "a", "work", "sleep", "sleep"]
    assert re.fullmatch(r" +\. +\S+ +R +1 +1 +\S+ \.", tree("-nx", "--skip-root=no").splitlines()[0])
    assert re.search(r"ID +PD:0 R:2 CD:0 F:0 +\S+ work", tree("-d", "stats"))
    assert re.search(r"ID +1 +1 +2 +2 +0 +0 work", tree("-nd", "resources"))
    assert re.search(r"ID +1 +2 +0% +100% +\S+ work", tree("-d", "progress"))
    assert tree("--detail-format={ntasks:>3}", "-L0") == "NTASKS\n  1 false\n  1 a\n  1 work\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["-f", "foo"], 1, "Invalid filter specified: foo"),
        (["-x", "-f", "foo"], 1, "Invalid filter specified: foo"),
        (["-o", "{foo}"], 1, "Unknown format field: foo"),
        (["-c-1"], 1, "--count=-1: it takes a number of jobs >= 0"),
        (["-d", "foo"], 2, "invalid choice: 'foo'"),
        (["-C", "--ascii"], 2, "not allowed with argument"),
    ],
)
def test_what_is_refused(instance, words, code, text):
    done = instance.run("pstree", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr


def test_a_note_that_leads_back_to_the_instance(instance):
    """Anybody can say of his job that it is an instance: a circle of them ends."""
    jobid = instance.run("submit", "--wait-event=start", "--job-name=liar", "sleep", "inf").stdout.strip()
    instance.run("job", "memo", jobid, f"uri={instance.uri}")
    assert instance.run("pstree", jobid).stdout == "liar\n"
    assert instance.run("jobs", "-Rno", "{name}", jobid).stdout == "liar\n"
    assert instance.run("cancel", jobid).returncode == 0
    assert instance.run("job", "wait-event", "--quiet", jobid, "clean").returncode == 0
    assert (
        instance.run("job", "purge", "--force", "--num-limit=0").returncode == 0
    )  # other tests show all jobs
