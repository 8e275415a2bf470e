# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin modprobe in a real instance, and as its rc1 and rc3."""

import json
import os
import subprocess
import sys

import pytest

from rosin.testing.process import RealInstance


@pytest.fixture(scope="module")
def own():
    """An instance whose modules come and go."""
    with RealInstance() as instance:
        yield instance


@pytest.fixture
def modprobe(command, own, monkeypatch):
    monkeypatch.setenv("FLUX_URI", own.uri)
    return lambda *words: command("modprobe", *words)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Write files of a site; they are on the search path."""
    monkeypatch.setenv("FLUX_MODPROBE_PATH_APPEND", f"{tmp_path}:")

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def test_a_module_and_a_service(modprobe):
    done = modprobe("show", "sched")
    assert json.loads(done.out) == {
        "name": "sched-simple",
        "module": "sched-simple",
        "args": [],
        "ranks": "0",
        "provides": ["sched", "feasibility"],
        "requires": ["job-manager", "resource"],
        "needs": [],
        "before": [],
        "after": ["job-manager", "resource"],
        "priority": 50,
        "disabled": False,
        "exec": False,
    }
    done = modprobe("list-dependencies", "-S", "content-backing=content-files", "kvs")
    assert done.out.splitlines() == [
        "kvs",
        "├── content",
        "│   └── content-backing (content-files)",
        "└── heartbeat",
    ]


def test_loading_and_removing(modprobe, own):
    assert modprobe("remove", "--dry-run", "sched").out == "remove sched-simple\n"
    assert modprobe("remove", "sched", "job-list") == (0, "", "")
    loaded = own.run("module", "list").stdout
    assert "job-list" not in loaded
    assert "sched-simple" not in loaded
    assert modprobe("load", "--dry-run", "sched", "job-list").out == "load sched-simple\nload job-list\n"
    assert modprobe("load", "sched", "job-list") == (0, "", "")
    assert own.run("run", "true").returncode == 0
    done = modprobe("load", "sched")
    assert done == (0, "", "rosin-modprobe: INFO: All modules and dependencies are already loaded\n")


def test_what_the_site_adds(modprobe, site):
    text = '[[modules]]\nname = "mine"\nmodule = "heartbeat"\nargs = ["a=1"]\nprovides = ["beat"]\n'
    site("modprobe.d/mine.toml", text + '[kvs]\nargs = ["x"]\n')
    assert json.loads(modprobe("show", "beat").out)["module"] == "heartbeat"
    assert json.loads(modprobe("show", "kvs").out)["args"] == ["x"]
    assert modprobe("load", "--dry-run", "beat").out == "load mine a=1\n"


TASKS = """\
from rosin.modprobe import task
def setup(context):
    context.setopt("kvs", "a b=c")
    context.set("data", [1])
@task("one", ranks="0", before=["two"])
def one(context):
    context.print("one")
    print(context.rank, context.attr_get("size"), context.attr_get("nosuch", "-"), context.get("data"),
          context.getopts("kvs", default=["d"]), context.conf_get("nosuch.key", 5), flush=True)
@task("two")
def two(context):
    context.setenv("MODPROBE_TEST", "set")
    context.bash('echo "$MODPROBE_TEST"')
    assert context.rpc("broker.getenv", {"names": ["MODPROBE_TEST"]}).get()["env"] == {"MODPROBE_TEST": "set"}
    context.setenv({"MODPROBE_TEST": None})
    context.bash("exit 3")
@task("three", after=["two"])
def three(context):
    print("never")
@task("elsewhere", ranks=">0")
def elsewhere(context):
    print("never")
"""


def test_tasks_of_a_file(modprobe, tmp_path, monkeypatch):
    path = tmp_path / "tasks.py"
    path.write_text(TASKS)
    monkeypatch.delenv("MODPROBE_TEST", raising=False)
    done = modprobe("run", str(path))
    assert done.out == "0 1 - [1] ['d', 'a', 'b=c'] 5\nset\n"
    assert (done.code, done.err) == (1, "two: bash: exited with exit status 3\n")
    assert modprobe("run", "--dry-run", str(path)).out == "run one\nrun two\nrun three\n"
    assert json.loads(modprobe("run", "--show-deps", str(path)).out) == {
        "one": [],
        "two": ["one"],
        "three": ["two"],
    }
    verbose = modprobe("run", "-v", str(path)).err.splitlines()
    assert [f"loading {path}", "start one", "one", "completed one", "start two"] == verbose[-6:-1]


def test_at_the_start_nothing_is_new(modprobe):
    out = modprobe("rc1", "--dry-run").out.splitlines()
    assert out.index("load content") < out.index("load content-sqlite") < out.index("load kvs")
    assert out[-1] == "run run-all-rc1"
    out = modprobe("rc3", "--dry-run").out.splitlines()
    assert out[0] == "run run-all-rc3"
    assert out.index("run post-finish-event") < out.index("remove kvs") < out.index("remove content")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("show", "nosuch"), "no such task or module nosuch"),
        (("load", "nosuch"), "no such task or module nosuch"),
        (("remove", "nosuch"), "module nosuch is not loaded"),
        (("remove", "kvs"), "kvs still in use by job-exec, job-info, job-ingest, job-manager, kvs-watch"),
        (("show", "-S", "bad", "kvs"), "--set-alternative: invalid value 'bad': expected NAME=MODULE"),
        (("show", "-S", "sched=x", "kvs"), "no module x provides sched"),
        (("show", "-D", "x", "kvs"), "no such module or task 'x'"),
        (("run", "/etc/passwd"), "/etc/passwd: not a Python file: expected a name that ends in .py"),
        (("run", "/no/such.py"), "/no/such.py: No such file or directory"),
    ],
)
def test_what_cannot_be(modprobe, words, fault):
    done = modprobe(*words)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"rosin-modprobe: ERROR: {fault}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[nomod]\nargs = []\n", "no such task or module nomod"),
        ('[[modules]]\nnam = "x"\n', "invalid modules entry: Missing required config key 'name'"),
        ("modules = 3\n", "invalid modules entry: expected an array of tables, [[modules]]"),
        ("kvs = 3\n", "kvs: expected a table with settings of a module"),
        ("x = [\n", "Invalid value"),
    ],
)
def test_files_that_are_wrong(modprobe, site, text, fault):
    path = site("modprobe.d/wrong.toml", text)
    assert modprobe("show", "kvs").err.startswith(f"rosin-modprobe: ERROR: {path}: {fault}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = y\n", "NameError: name 'y' is not defined"),
        (
            "from rosin.modprobe import task\n"
            "a = task('a', after=['b'])(print)\nb = task('b', after=['a'])(print)\n",
            "tasks wait for each other: ",
        ),
    ],
)
def test_tasks_that_are_wrong(modprobe, site, text, fault):
    done = modprobe("run", site("x.py", text))
    assert done.code == 1
    assert fault in done.err
    assert "Traceback" not in done.err


def start(*words, **env):
    command = [sys.executable, "-m", "rosin", "start", *words]
    environ = {**os.environ, **env}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environ)


def test_the_whole_life_of_an_instance(site, tmp_path):
    """What a site adds runs before and after the initial program; the instance is whole."""
    add = (
        "from rosin.modprobe import task\n@task('site-{0}', after=['*'])\ndef f(context): print('site {0}')\n"
    )
    site("rc1.d/x.py", add.format("rc1"))
    site("rc3.d/x.py", add.format("rc3").replace("after", "before"))
    script = "rosin run echo served; rosin startlog; rosin module list"
    done = start("-Slog-stderr-level=6", "sh", "-c", script, FLUX_MODPROBE_PATH_APPEND=str(tmp_path))
    assert done.returncode == 0
    assert "served\n" in done.stdout
    assert "running (" in done.stdout
    assert "rc1.0: site rc1" in done.stderr
    assert "rc3.0: site rc3" in done.stderr
    assert done.stderr.index("rc3.0: site rc3") < done.stderr.index("modprobe rc3 Exited (rc=0)")


def test_how_long_tasks_have_taken():
    """In seconds from the beginning, as flux-core stores it."""
    command = "-Sbroker.rc1_path=rosin modprobe rc1 --timing"
    stats = json.loads(start(command, "rosin", "kvs", "get", "modprobe.stats").stdout)
    names = [entry["name"] for entry in stats]
    assert names[:4] == ["configure", "solve", "deps", "prepare"]
    assert len(names) == len(set(names))
    assert {"kvs", "sched-simple", "post-start-event"} < set(names)
    begun = {entry["name"]: entry["starttime"] for entry in stats}
    ended = {entry["name"]: entry["starttime"] + entry["duration"] for entry in stats}
    assert all(0 <= begun[name] <= ended[name] <= ended["run-all-rc1"] < 1e6 for name in names)
    assert ended["content"] <= begun["kvs"]


def test_what_would_be_done_is_told_in_order(modprobe, tmp_path):
    """However long it takes to tell of one."""
    path = tmp_path / "tasks.py"
    path.write_text(
        "from rosin.modprobe import CodeTask\nimport threading\nbegun = threading.Event()\n"
        "class Slow(CodeTask):\n"
        "    def describe(self, context):\n"
        "        begun.wait(0.5)\n"
        "        return 'slow'\n"
        "class Fast(CodeTask):\n"
        "    def describe(self, context):\n"
        "        begun.set()\n"
        "        return 'fast'\n"
        "one, two = Slow('one', print), Fast('two', print)\n"
        "three = Slow('three', print)\n"
    )
    assert modprobe("run", "--dry-run", str(path)).out == "slow\nfast\nslow\n"


def test_a_site_without_a_scheduler():
    done = start("rosin", "module", "list", FLUX_SCHED_MODULE="none")
    assert done.returncode == 0
    assert "job-manager" in done.stdout
    assert "sched-simple" not in done.stdout


def test_programs_of_a_site(tmp_path):
    for level in (1, 3):
        path = tmp_path / f"rc{level}.d" / "10-hello"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\necho hello {level}; exit {level - 1}\n")
        path.chmod(0o755)
        (path.parent / "20-not-executable").write_text("exit 9\n")
    done = start("-Slog-stderr-level=6", "true", FLUX_RC_EXTRA=str(tmp_path))
    assert "rc1.0: hello 1" in done.stderr
    assert "rc3.0: hello 3" in done.stderr
    assert f"rc3.0: {tmp_path}/rc3.d/10-hello failed with exit code 2" in done.stderr
    assert done.returncode == 1


CONFIGURATION = """\
[modules.alternatives]
content-backing = "content-files"
[modules.cron]
needs-config = ["nosuch"]
[modules.early]
module = "heartbeat"
args = ["period=7s"]
before = ["kvs"]
[modules.unused]
module = "sched-simple"
provides = ["sched"]
priority = 1
"""


@pytest.mark.parametrize("variables", [{}, {"FLUX_RC_EXTRA": "/no/such"}])
def test_the_configuration_says_the_same_to_the_broker_and_to_the_command(tmp_path, variables):
    """Once the broker loads the modules by itself, once the command does."""
    config = tmp_path / "modules.toml"
    config.write_text(CONFIGURATION)
    with RealInstance("-c", str(config), env=variables) as instance:
        mods = [line.split()[0] for line in instance.run("module", "list").stdout.splitlines()[1:]]
        assert mods.index("early") < mods.index("kvs")
        assert "content-files" in mods
        assert not {"content-sqlite", "cron", "unused"} & set(mods)
        assert instance.run("getattr", "content.backing-module").stdout == "content-files\n"
        planned = instance.run("modprobe", "rc1", "--dry-run").stdout.splitlines()
        always = {"config", "connector-local", "groups", "overlay", "rexec"}
        assert {line.split()[1] for line in planned if line.startswith("load ")} == set(mods) - always
        assert "load early period=7s" in planned
        assert instance.run("run", "true").returncode == 0
