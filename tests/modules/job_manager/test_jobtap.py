# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of the job manager: loading, listing and removing them, and what a wrong one does."""

import errno
import os
import sys

import pytest

from rosin.modules.job_manager.plugins import load

HEAD = """
from rosin.modules.job_manager.plugins import UNAVAILABLE, Plugin, Reject, callback, service

class P(Plugin):
"""
#: What flux-core 0.88 lists with -a.
BUILTIN = [
    ".priority-default",
    ".limit-job-size",
    ".limit-duration",
    ".dependency-after",
    ".dependency-singleton",
    ".begin-time",
    ".validate-duration",
    ".update-duration",
    ".history",
    ".post-event",
    ".update-queue",
]


@pytest.fixture
def plugin(tmp_path):
    """Write a plugin file of the class body that is given; its path."""

    def write(body, name="p.py", head=HEAD):
        lines = [line and f"    {line}" for line in body.strip("\n").split("\n")]
        (tmp_path / name).write_text(head + "\n".join(lines) + "\n")
        return str(tmp_path / name)

    return write


def names(bench):
    return [plugin.name for plugin in bench.manager.jobtap.plugins]


REJECT = """
@callback("job.validate")
def check(self, job):
    if job.jobspec["attributes"]["system"]["duration"] > self.conf.get("most", 0):
        raise Reject(f"too long for {job.userid}")
"""


def test_builtins_are_flux_cores_in_its_order(bench):
    assert names(bench) == BUILTIN


def test_a_plugin_acts_from_its_load_to_its_removal(bench, jobspec, plugin):
    load.load(bench.manager.jobtap, plugin(REJECT), {"most": 5})
    assert names(bench) == [*BUILTIN, "p.py"]
    with pytest.raises(OSError, match=f"too long for {bench.manager.owner}"):
        bench.submit(jobspec(6.0))
    assert bench.manager.active == {}
    assert bench.store() is None  # no trace of the job
    id = bench.submit(jobspec(5.0))
    assert bench.names(id)[:2] == ["submit", "validate"]
    load.remove(bench.manager.jobtap, "p*")
    assert names(bench) == BUILTIN
    bench.submit(jobspec(6.0))


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("all", BUILTIN),
        ("*", BUILTIN),
        ("p.py", [*BUILTIN, "q.py"]),
        ("[pq].py", BUILTIN),
        (".*", ["p.py", "q.py"]),
        (".limit-*", [*(name for name in BUILTIN if "limit" not in name), "p.py", "q.py"]),
    ],
)
def test_removal_by_name_and_pattern(bench, plugin, pattern, left):
    for name in ("p.py", "q.py"):
        load.load(bench.manager.jobtap, plugin("pass", name))
    load.remove(bench.manager.jobtap, pattern)
    assert names(bench) == left


def test_a_builtin_can_be_removed_and_comes_back(bench, jobspec):
    load.remove(bench.manager.jobtap, ".begin-time")
    spec = jobspec(dependencies=[{"scheme": "begin-time", "value": "1.5"}])
    with pytest.raises(OSError, match='scheme "begin-time" not supported'):
        bench.submit(spec)
    load.load(bench.manager.jobtap, ".begin-time")
    assert names(bench)[-1] == ".begin-time"
    bench.submit(spec)


WRONG = [
    ("pass", None, "ValueError: first second", "raise ValueError('first\\n second')\nclass P:\n"),
    ('def start(self): raise ValueError("a\\nb")', None, "p.py: ValueError: a b", HEAD),
    ("pass", None, "expected one Plugin class, found 0", "x = 1\nclass P:\n"),
    (
        "pass\nclass Q(P):\n    pass",
        None,
        "expected one Plugin class, found 2",
        HEAD + "    pass\nclass Q(P):\n",
    ),
    ("pass", None, "SyntaxError: ", "class P(\n"),
    ("pass", None, "ModuleNotFoundError: No module named 'nowhere'", "import nowhere\nclass P:\n"),
    ("pass", None, "SystemExit: 3", "raise SystemExit(3)\nclass P:\n"),
    (
        '@callback("job.vaildate")\ndef f(self, job): pass',
        None,
        "unknown topic 'job.vaildate'; did you mean",
        HEAD,
    ),
    (
        '@callback("job.state.done")\ndef f(self, job): pass',
        None,
        "no such state (known: new, depend, ",
        HEAD,
    ),
    (
        '@callback("job.validate")\ndef f(self): pass',
        None,
        "f: a callback of job.validate takes (self, job)",
        HEAD,
    ),
    ('@callback("job.new")\nasync def f(self, job): pass', None, "f: a callback is a plain function", HEAD),
    ('def start(self): raise Reject("most: expected a number")', None, "p.py: most: expected a number", HEAD),
    ('def start(self): self.conf["most"]', None, "p.py: KeyError: 'most'", HEAD),
    ('@callback("conf.update")\ndef f(self, conf): raise Reject("no")', None, "p.py: no", HEAD),
    (
        '@callback("conf.update")\ndef f(self, conf): conf.x',
        None,
        "p.py: config rejected by p.py jobtap plugin",
        HEAD,
    ),
    (
        '@service("get")\ndef f(self, msg): pass',
        "history.py",
        "job-manager.history.get is served already",
        HEAD,
    ),
]


@pytest.mark.parametrize(("body", "name", "text", "head"), WRONG)
def test_what_is_wrong_with_a_file_is_one_line_and_leaves_nothing(bench, plugin, body, name, text, head):
    with pytest.raises(OSError) as caught:
        load.load(bench.manager.jobtap, plugin(body, name or "p.py", head))
    assert text in str(caught.value.strerror)
    assert "\n" not in str(caught.value)
    assert names(bench) == BUILTIN


def test_a_plugin_that_cannot_start_leaves_no_timer(bench, plugin):
    body = "def start(self):\n    self.later(1.0, self.stop)\n    raise Reject('no')"
    with pytest.raises(OSError, match=r"p\.py: no"):
        load.load(bench.manager.jobtap, plugin(body))
    assert [timer for timer in bench.port.timers if timer.call is not None] == []


WAITING = """
@callback("job.create", "job.new", "job.state.depend")
def job(self, job):
    self.conf["seen"].append(job.id)

@callback("job.dependency.x")
def depends(self, job, dependency):
    self.conf["seen"].append(dependency["value"])
    self.dependency_add(job, "x")

@callback("job.validate", "job.state.sched")
def no(self, job):
    self.conf["seen"].append("too late")
"""


def test_a_plugin_is_told_of_the_jobs_that_there_are(bench, jobspec, plugin):
    path = plugin(WAITING)
    load.load(bench.manager.jobtap, path, {"seen": []})
    for id, scheme in ((2, "x"), (1, "begin-time")):
        bench.submit(jobspec(dependencies=[{"scheme": scheme, "value": "1800000000"}]), id=id)
    bench.submit(id=3)
    load.remove(bench.manager.jobtap, "all")
    seen: list[object] = []
    load.load(bench.manager.jobtap, path, {"seen": seen})
    assert seen == [1, 1, 2, 2, 3, 3, 1, "1800000000", 2]


def test_files_that_are_none(bench, plugin, tmp_path):
    load.load(bench.manager.jobtap, plugin("pass"))
    cases = [
        (plugin("pass"), errno.EEXIST, "p.py already loaded"),
        (str(tmp_path / "q.py"), errno.ENOENT, "q.py: No such plugin found"),
        (str(tmp_path), errno.ENOENT, "No such plugin found"),
        (
            plugin("pass", "perilog.so"),
            errno.EINVAL,
            "perilog.so: a plugin is a Python file (NAME.py), or one",
        ),
    ]
    for path, errnum, text in cases:
        with pytest.raises(OSError) as caught:
            load.load(bench.manager.jobtap, path)
        assert caught.value.errno == errnum
        assert text in str(caught.value.strerror)
    with pytest.raises(FileNotFoundError, match="Failed to find plugin to remove"):
        load.remove(bench.manager.jobtap, "x*")


def test_a_dataclass_in_a_plugin_file(bench, plugin):
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n" + HEAD.replace(
        "class P", "@dataclass\nclass D:\n    x: int\n\nclass P"
    )
    load.load(bench.manager.jobtap, plugin("pass", head=head))


def test_a_file_that_has_changed_is_read_again(bench, plugin, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for most in "12":
        path = plugin(f'@callback("plugin.query")\ndef query(self): return {{"most": {most}}}')
        os.utime(path, (1, 1))  # as when it changes within a second
        load.load(bench.manager.jobtap, path)
        assert bench.manager.jobtap.query("p.py")["most"] == int(most)
        load.remove(bench.manager.jobtap, "all")


async def test_the_requests(world, job, plugin):
    query = '@callback("plugin.query")\ndef query(self): return {"most": self.conf["most"]}'
    path = plugin(
        query + '\n@service("double", allow_guest=True)\ndef f(self, msg): return {"x": msg.args["x"] * 2}'
    )
    async with world.instance() as inst:
        h, guest = await inst.connect(), await inst.connect(userid=7, rolemask=2)
        await h.rpc("job-manager.jobtap", {"load": path, "conf": {"most": 3}})
        listed = await h.rpc("job-manager.jobtap", {"query_only": True})
        assert listed == {"plugins": [*BUILTIN, "p.py"]}
        described = await h.rpc("job-manager.jobtap-query", {"name": "p.py"})
        assert described == {"name": "p.py", "path": path, "most": 3}
        assert await guest.rpc("job-manager.p.double", {"x": 4}) == {"x": 8}
        await h.rpc("job-manager.jobtap", {"remove": "p.py", "load": path, "conf": {}})
        with pytest.raises(OSError, match=r"plugin\.query failed"):
            await h.rpc("job-manager.jobtap-query", {"name": "p.py"})
        await h.rpc("job-manager.jobtap", {"remove": "all"})
        with pytest.raises(OSError, match="Unknown service method"):
            await h.rpc("job-manager.p.double", {"x": 4})
        with pytest.raises(PermissionError):
            await guest.rpc("job-manager.jobtap", {"load": path})
        await h.rpc("job-manager.jobtap", {"remove": ".history"})
        with pytest.raises(OSError, match="Unknown service method"):
            await h.rpc("job-manager.history.get", {"slice": "[:]"})
        await h.rpc("job-manager.submit", {"jobs": [job(1)]})
        await inst.settle()
        await h.rpc("job-manager.jobtap", {"load": ".history"})
        assert await h.rpc("job-manager.history.get", {"slice": "[:]"}) == {"jobs": [1]}


async def test_plugins_of_the_configuration(world, job, jobspec, plugin):
    def config(**entry):
        return {"job-manager": {"plugins": [entry]}}

    entry = {"load": plugin(REJECT), "conf": {"most": 5}, "remove": ".history"}
    async with world.instance(config=config(**entry)) as inst:
        h = await inst.connect()
        plugins = (await h.rpc("job-manager.jobtap", {"query_only": True}))["plugins"]
        assert plugins == [*(name for name in BUILTIN if name != ".history"), "p.py"]
        answer = await h.rpc("job-manager.submit", {"jobs": [job(1, jobspec(6.0)), job(2, jobspec(5.0))]})
        assert [error[0] for error in answer["errors"]] == [1]
        later = "job-manager.plugins has no effect before job-manager is loaded again"
        await h.rpc("job-manager.config-reload", config(**entry))
        assert not [line for line in inst.logged() if later in line]
        await h.rpc("job-manager.config-reload", {})
        assert [line for line in inst.logged() if later in line]
    with pytest.raises(OSError, match=r"job-manager\.plugins\[0\]: x\.py: No such plugin found"):
        async with world.instance(config=config(load="x.py")):
            pass


async def test_a_plugin_that_refuses_a_configuration_keeps_the_old_one(world, job, jobspec, plugin):
    body = '@callback("conf.update")\ndef f(self, conf):\n    if "x" in conf: raise Reject("x: not here")'
    async with world.instance() as inst:
        h = await inst.connect()
        await h.rpc("job-manager.jobtap", {"load": plugin(body)})
        limits = {"policy": {"limits": {"duration": "1h"}}}
        await h.rpc("job-manager.config-reload", limits)
        with pytest.raises(OSError, match="x: not here"):
            await h.rpc("job-manager.config-reload", {"x": 1})
        answer = await h.rpc("job-manager.submit", {"jobs": [job(1, jobspec(3601.0))]})
        assert answer["errors"] == [[1, "requested duration (1.00028h) exceeds policy limit of 1h"]]
