# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands that submit: the same jobspecs, and each other's commands in each other's instances."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
ROSIN = str(Path(sys.executable).with_name("rosin"))
LINES = """\
run -n4 -c2 -g1 true
run -N2 true
run -N2 -n3 -x true
run -N2 --cores=4 --gpus-per-node=1 true
run -N2 --tasks-per-node=2 true
run --cores=4 --tasks-per-core=2 true
run --resources-shape=slot=2/[core=3;gpu=1] -n7 true
run -B bank -q queue -t 1.5h --job-name=x --cwd=/tmp true
run -o verbose -o a.b=1 -o c=[1,2] -o ^d=attr.json true
run -S a=1 -S system.b=x -S user.c -S .foo=1 -S ^e=attr.json true
run --dependency=afterok:123 --dependency=foo:bar?a=1 true
run '--requires=a and not host:n[1-2]' --requires='rank:1-2|x' true
run '--env=-*' --env=FOO* '--env=X=$HOME/y' '--env=Y={{id}}' true
run --env-remove=/FOO. --env-file=rules true
run --rlimit=-*,core --rlimit=nofile=16 true
run --input=file --output={{id}}.out --error=e -l -u true
run --signal=TERM@90s --taskmap=cyclic:2 true
run --add-file=file --add-file=n:755=file '--add-file=t=a\\nb' true
submit --cc=1-2 --output={cc}.out echo {cc}
batch script a -b
batch -n4 --output=x --dump -q other script
batch -N2 -x --wrap echo hi
batch -n1 --conf=c.toml --conf=a.d.e=5 --broker-opts=-v,-Sa=b --wrap true
batch -N2 --add-brokers=3 --wrap true
alloc -n2 -c2 cmd -x
alloc -N1 --bg
"""
SCRIPT = """\
#!/bin/sh
# flux: -n2 -q batch
#
# flux: --output=job.out --setattr=user.x='''
# flux: a
# flux: '''
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "attr.json").write_text('{"a": [1, 2]}')
    (tmp_path / "rules").write_text("BAR=x\n-HOME\n")
    (tmp_path / "file").write_text("text\n")
    (tmp_path / "c.toml").write_text("[a]\nb = 1\n")
    (tmp_path / "script").write_text(SCRIPT)
    return tmp_path


def jobspec(program, line, folder):
    command, *words = shlex.split(line)
    env = {"HOME": "/root", "PATH": os.environ["PATH"], "FOO1": "1", "FOO2": "2"}
    done = subprocess.run(
        [program, command, "--dry-run", *words],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (line, done.stderr)
    spec = json.loads(done.stdout)
    system = spec["attributes"]["system"]
    # What each program sets of itself, and what Rosin's jobs get in addition.
    names = ("FOO1", "FOO2", "BAR", "HOME", "X", "Y", "FLUX_JOB_CC")
    system["environment"] = {name: system["environment"].get(name) for name in names}
    system.get("shell", {}).get("options", {}).pop("umask", None)
    words = spec["tasks"][0]["command"]
    words[0] = "flux" if words[0] == "rosin" else words[0]
    return spec


def test_jobspecs(flux, folder):
    lines = LINES.splitlines()
    theirs = [(line, jobspec(flux, line, folder)) for line in lines]
    assert [(line, jobspec(ROSIN, line, folder)) for line in lines] == theirs


#: Each line is a command; OURS is the program that is tried, in an instance of the other.
TRIED = """
set -e
export FLUX_URI_RESOLVE_LOCAL=1
id=$($OURS batch -n1 --output=out --wrap "$OURS getattr instance-level; $OURS run echo task")
$OURS job wait-event -t 120 $id clean >/dev/null
cat out
job=$($OURS alloc --bg -n1 --conf=a.b=5)
$OURS proxy $job $OURS config get a.b
$OURS proxy $job $OURS submit --quiet sleep inf
$OURS pstree -o '{ntasks}'
$OURS shutdown --quiet $job 2>/dev/null
$OURS archive create script
$OURS archive list
mkdir copy
$OURS archive extract -C copy
$OURS archive remove
cmp script copy/script
echo '* echo number %t' >programs
$OURS run -l -n2 $OURS multi-prog programs | sort
held=$($OURS submit --urgency=hold true)
$OURS post-job-event $held test a=1
$OURS job eventlog $held | grep -c 'test a=1'
$OURS cancel $held
"""


@pytest.mark.parametrize("ours", ["rosin", "flux"])
def test_commands_in_an_instance_of_the_other(flux, folder, ours):
    programs = {"rosin": ROSIN, "flux": flux}
    outer = programs["flux" if ours == "rosin" else "rosin"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    path = f"{os.path.dirname(programs[ours])}:{env['PATH']}"
    done = subprocess.run(
        [outer, "start", "env", f"PATH={path}", f"OURS={programs[ours]}", "sh", "-c", TRIED],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *("1", "task", "5", "1", "└── 1", "    └── 1", "script", "0: number 0", "1: number 1", "1"),
    ]
