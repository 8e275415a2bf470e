# SPDX-License-Identifier: LGPL-3.0-or-later
"""Commands that derive from ``flux.cli``, and processes of ``flux.subprocess``, on a running instance."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

SOURCE = Path(__file__).parents[2] / "dropin" / "src"


def python(instance, code, *args, **keywords):
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "FLUX_URI": instance.uri}
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        env=env,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        **keywords,
    )


COMMAND = """
import sys
from flux.cli.{module} import {name}
{name}("flux {module}").run_command()
"""


def command(instance, module, name, *args, **keywords):
    return python(instance, COMMAND.format(module=module, name=name), *args, **keywords)


def test_a_run_shows_the_output_and_exits_as_the_job_does(real_instance):
    done = command(real_instance, "run", "RunCmd", "-l", "-n2", "sh", "-c", "echo hi; exit 3")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (3, ["0: hi", "1: hi"])


def test_a_submission_of_copies(real_instance):
    words = ["--cc=1-3", "--job-name=copy-{cc}", "--watch", "--quiet", "sh", "-c", "echo $FLUX_JOB_CC {cc}"]
    done = command(real_instance, "submit", "SubmitCmd", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["1 1", "2 2", "3 3"]


def test_a_job_of_each_input(real_instance):
    words = ["--dry-run", "-n{1}", "echo", "{0./%}", ":::", "/x/a.txt", "b", ":::", "1", "2"]
    done = command(real_instance, "bulksubmit", "BulkSubmitCmd", *words)
    assert done.stdout.splitlines() == [
        f"bulksubmit: submit -n{n} echo {name}" for name in ("a", "b") for n in (1, 2)
    ]
    done = command(
        real_instance,
        "bulksubmit",
        "BulkSubmitCmd",
        "--wait",
        "--quiet",
        "test",
        "{}",
        "=",
        "1",
        input="1\n2\n",
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_a_script_with_directives(real_instance, tmp_path):
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\n# flux: -N1 --job-name=directed\n# flux: --setattr=user.a=1\ntrue\n")
    done = command(real_instance, "batch", "BatchCmd", "--dry-run", "-t", "2", str(script))
    assert done.stderr == ""
    attributes = json.loads(done.stdout)["attributes"]
    system = attributes["system"]
    assert (system["job"]["name"], system["duration"], attributes["user"]) == ("directed", 120.0, {"a": 1})
    assert system["files"]["script"]["data"] == script.read_text()


def test_an_instance_that_stays(real_instance):
    done = command(real_instance, "alloc", "AllocCmd", "--dry-run", "--bg", "-n1", "--conf=a.b=1")
    jobspec = json.loads(done.stdout)
    assert "-Sbroker.rc2_none=1" in jobspec["tasks"][0]["command"]
    assert jobspec["attributes"]["system"]["shell"]["options"]["pty"] == {"capture": 1}
    assert jobspec["attributes"]["system"]["files"]["conf.json"]["data"] == {"a": {"b": 1}}


MINE = """
import argparse, flux
from flux.cli import base
from flux.job import JobspecV1
class Mine(base.MiniCmd):
    def __init__(self):
        super().__init__("flux mine")
        self.parser.add_argument("number", nargs=argparse.REMAINDER)
    def init_jobspec(self, args):
        return JobspecV1.from_command(["test", args.number[0], "=", "5"])
    def main(self, args):
        jobid = self.submit(args)
        print(flux.job.result(self.flux_handle, jobid).result)
Mine().run_command()
"""


def test_a_command_of_ones_own(real_instance):
    assert python(real_instance, MINE, "--urgency=20", "5").stdout == "COMPLETED\n"
    done = python(real_instance, MINE, "--flags=nope", "5")
    assert (done.returncode, "--flags: Unknown flag nope" in done.stderr) == (1, True)
    help_text = python(real_instance, MINE, "--help").stdout
    assert help_text.startswith("usage: flux mine [OPTIONS...] COMMAND [ARGS...]")
    assert "--environment" not in help_text


PROCESSES = """
import os, signal
import flux
from flux import subprocess
h = flux.Flux()
started = subprocess.rexec_bg(h, ["sh", "-c", "echo out; echo err >&2; exit 3"], label="one", waitable=True)
assert started.get_rank() == 0 and started.get_pid() > 0
done = subprocess.wait(h, label="one")
assert os.waitstatus_to_exitcode(done.get_status()) == 3
assert done.stdout in (b"out\\n", b"") and done.stderr in (b"err\\n", b"")
started = subprocess.rexec_bg(h, ["sleep", "60"], waitable=True, nodeid=0, env={"PATH": os.environ["PATH"]})
listed = [process for process in subprocess.list(h).get_processes() if process.pid == started.get_pid()]
assert [(process.rank, process.state, process.label) for process in listed] == [(0, "R", "-")], listed
subprocess.kill(h, signal.SIGKILL, pid=started.get_pid()).get()
assert os.WTERMSIG(subprocess.wait(h, pid=started.get_pid()).get_status()) == signal.SIGKILL
for arguments in ({}, {"pid": 1, "label": "x"}):
    for function in (subprocess.kill, subprocess.wait):
        try: function(h, **arguments)
        except ValueError as exc: assert str(exc).startswith(("at least one of pid", "only one of pid"))
        else: raise SystemExit("no error")
try: subprocess.kill(h, pid=2**30).get()
except OSError as exc: print(exc.errno)
"""


def test_processes_in_the_background(real_instance):
    done = python(real_instance, PROCESSES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


SIGNED = """
import os
from flux.security import SecurityContext
with SecurityContext() as context:
    envelope = context.sign_wrap("some text", "none")
    assert isinstance(envelope, bytes) and envelope == context.sign_wrap_as(os.getuid(), b"some text")
    assert context.sign_unwrap(envelope) == (b"some text", os.getuid())
    for function, argument, kind in (
        (context.sign_wrap, 5, TypeError),
        (context.sign_unwrap, "text", TypeError),
        (context.sign_unwrap, b"garbage", OSError),
        (lambda text: context.sign_wrap_as(os.getuid() + 1, text), "x", PermissionError),
        (lambda text: context.sign_wrap(text, "nope"), "x", OSError),
    ):
        try: function(argument)
        except kind: continue
        raise SystemExit(f"no {kind}")
"""


def test_signing(real_instance):
    done = python(real_instance, SIGNED)
    assert (done.returncode, done.stderr) == (0, "")
