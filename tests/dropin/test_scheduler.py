# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules with flux-core's Python interface, in processes of a running broker."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
ENV = {"PYTHONPATH": str(ROOT / "dropin" / "src")}

HELPER = """
from flux.brokermod import BrokerModule, event_handler, request_handler


class Helper(BrokerModule):
    def __init__(self, h, *args):
        super().__init__(h, *args)
        if "wrong" in args:
            raise ValueError("this argument is wrong")
        self.heard = []
        self.log.level = "warning"
        self.log.info("not to be seen")
        self.log.warning("to be seen")

    @request_handler("add", allow_guest=True)
    def add(self, msg):
        self.handle.respond(msg, {"sum": msg.payload["a"] + msg.payload["b"], "args": self.args})

    @event_handler("told")
    def told(self, msg):
        self.heard.append(msg.payload)

    @request_handler("heard")
    def tell(self, msg):
        self.handle.respond(msg, {"heard": self.heard, "debug": self.debug_test(2, clear=True)})

    @request_handler("fail")
    def fail(self, msg):
        self.stop_error()
"""

ASK = """
import flux, json, sys
h = flux.Flux()
print(json.dumps(h.rpc("helper.add", {"a": 1, "b": 2}).get()))
h.event_send("helper.told", {"n": 1})
heard = {"heard": []}
while not heard["heard"]:
    heard = h.rpc("helper.heard").get()
print(json.dumps(heard))
try: h.rpc("helper.other").get()
except OSError as exc: print(exc.errno)
"""


@pytest.fixture(scope="module")
def instance():
    with RealInstance("-Sbroker.module-nopanic=1", env=ENV) as made:
        yield made


def rosin(instance, *words, code=0):
    done = instance.run("python", "-m", "rosin", *words, timeout=60)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def page(tmp_path):
    """The scheduler of the page, as it stands there."""
    text = (ROOT / "docs" / "how-to" / "scheduler.md").read_text(encoding="utf-8")
    block = re.search(r"`last_in\.py`.*?^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    path = tmp_path / "last_in.py"
    path.write_text(block[1])
    return str(path)


def test_a_module(instance, tmp_path):
    path = tmp_path / "helper.py"
    path.write_text(HELPER)
    refused = rosin(instance, "module", "load", str(path), "wrong", code=1)
    assert "this argument is wrong" in refused
    rosin(instance, "module", "load", str(path), "one", "two")
    rosin(instance, "module", "debug", "--setbit", "2", "helper")
    lines = instance.run("python", "-c", ASK, timeout=60).stdout.splitlines()
    assert json.loads(lines[0]) == {"sum": 3, "args": ["one", "two"]}
    assert json.loads(lines[1])["heard"] == [{"n": 1}]
    assert lines[2] == "38"
    log = rosin(instance, "dmesg")
    assert "helper.warning[0]: to be seen" in log
    assert "not to be seen" not in log
    rosin(instance, "module", "remove", "helper")
    assert "helper" not in rosin(instance, "module", "list")


@pytest.mark.parametrize(
    ("words", "code", "text"), [((), 2, "usage: "), (("x.py",), 1, "x.py: Unable to conn")]
)
def test_a_process_without_a_broker(words, code, text):
    env = {**os.environ, **ENV}
    env.pop("FLUX_MODULE_URI", None)
    command = [sys.executable, "-m", "flux.core.module", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(text)
    assert done.stderr.count("\n") == 1


def test_the_scheduler_of_the_page(instance, page):
    """It serves, its successor takes over what runs, and it refuses what can never be."""
    rosin(instance, "module", "remove", "sched-simple")
    assert "unknown argument 'nosuch'" in rosin(instance, "module", "load", page, "nosuch", code=1)
    assert "queue-depth=0" in rosin(instance, "module", "load", page, "queue-depth=0", code=1)
    rosin(instance, "module", "load", page, "log-level=debug")
    try:
        holder = rosin(instance, "submit", "-N1", "--exclusive", "-t5m", "sleep", "inf").strip()
        rosin(instance, "job", "wait-event", "-q", holder, "start")
        jobs = [rosin(instance, "submit", "-N1", "--exclusive", "true").strip() for _ in range(3)]
        for job in jobs:
            rosin(instance, "job", "wait-event", "-q", job, "priority")
        rosin(instance, "cancel", jobs.pop(0))
        assert rosin(instance, "resource", "list", "-n", "-s", "allocated", "-o{nnodes}") == "1\n"
        rosin(instance, "module", "reload", "last_in")
        assert '"pending_jobs"' in rosin(instance, "module", "stats", "last_in")
        assert rosin(instance, "resource", "list", "-n", "-s", "allocated", "-o{nnodes}") == "1\n"
        rosin(instance, "cancel", holder)
        rosin(instance, "queue", "drain")
        starts = [
            json.loads(rosin(instance, "job", "wait-event", "-fjson", job, "start"))["timestamp"]
            for job in jobs
        ]
        assert starts == sorted(starts, reverse=True)
        refused = rosin(instance, "run", "-n", "100000", "true", code=1)
        assert "need 100000 slot(s)" in refused
        assert rosin(instance, "run", "echo", "served") == "served\n"
        assert "last_in.info[0]: ready: queue-depth=unlimited log-level=debug" in rosin(instance, "dmesg")
    finally:
        rosin(instance, "module", "remove", "last_in")
        rosin(instance, "module", "load", "sched-simple")
