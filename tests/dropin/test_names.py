# SPDX-License-Identifier: LGPL-3.0-or-later
"""The drop-in: flux-core's names lead to Rosin's objects."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "dropin" / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if path.name != "__main__.py"
)


def python(code, *args):
    """Run a program that has the drop-in first on its path, as an installed one would."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    env.pop("FLUX_URI", None)
    return subprocess.run(
        [sys.executable, "-c", code, *args], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def check(code, *args):
    done = python(code, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_inside_of_a_service_or_broker_is_used():
    used = {}
    for path in SOURCE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        parts = {".".join(name.split(".")[:2]) for name in names} & {"rosin.modules", "rosin.broker"}
        if parts:
            used[str(path.relative_to(SOURCE / "flux"))] = parts
    assert used == {}


def test_every_module_keeps_its_promises():
    code = """
import importlib, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for item in getattr(module, "__all__", ()):
        getattr(module, item)
    print(name)
"""
    assert check(code, *MODULES).split() == MODULES
    assert len(MODULES) > 30


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("flux.job.Jobspec", "rosin.job.spec.Jobspec"),
        ("flux.queue.QueueList", "rosin.queue.QueueList"),
        ("flux.job.JobID", "rosin.job.jobid.JobID"),
        ("flux.job.submit", "rosin.job.submission.submit"),
        ("flux.job.wait", "rosin.job.waiting.wait"),
        ("flux.job.kill", "rosin.job.control.kill"),
        ("flux.job.timeleft", "rosin.job.remaining.timeleft"),
        ("flux.job.list.JobListIdRPC", "rosin.job.listing.JobListIdRPC"),
        ("flux.job.info.statetostr", "rosin.job.info_values.statetostr"),
        ("flux.job.event.JobException", "rosin.job.events.JobException"),
        ("flux.job.FluxExecutorFuture", "rosin.job.executor.FluxExecutorFuture"),
        ("flux.job.executor.FluxExecutor", "rosin.job.executor.FluxExecutor"),
        ("flux.resource.list.resource_list", "rosin.resource.list.resource_list"),
        ("flux.resource.resource_list", "rosin.resource.list.resource_list"),
        ("flux.kvs.get_dir", "rosin.kvs.directory.get_dir"),
        ("flux.rpc.RPC", "rosin.handle.rpc.RPC"),
        ("flux.future.Future", "rosin.handle.future.Future"),
        ("flux.hostlist.Hostlist", "rosin.rfc.hostlist.Hostlist"),
        ("flux.constants.FLUX_JOB_STATE_ACTIVE", "rosin.constants.FLUX_JOB_STATE_ACTIVE"),
    ],
)
def test_same_object(theirs, ours):
    code = """
import importlib, sys
import flux, flux.job
module, _, name = sys.argv[2].rpartition(".")
assert eval(sys.argv[1]) is getattr(importlib.import_module(module), name)
"""
    check(code, theirs, ours)


def test_importing_a_submodule_does_not_hide_its_function():
    check("""
import flux.job.submit, flux.job.wait, flux.job.kill, flux.job.timeleft, flux.job.JobID, flux.job.Jobspec
import flux.job
assert all(callable(getattr(flux.job, name)) for name in ("submit", "wait", "kill", "timeleft"))
assert flux.job.JobID("f1") == 0 and flux.job.Jobspec.from_yaml_file
from flux.job.submit import submit
from flux.job.Jobspec import JobspecV1
assert submit is flux.job.submit and JobspecV1 is flux.job.JobspecV1
""")


def test_unknown_names_fail_as_python_says():
    code = "import flux, flux.job, flux.resource\n{}.no_such_name"
    for module in ("flux", "flux.job", "flux.resource"):
        done = python(code.format(module))
        assert f"AttributeError: module '{module}' has no attribute 'no_such_name'" in done.stderr


def test_no_broker_is_one_clear_error():
    done = python("import flux\nflux.Flux('local:///nonexistent/socket')")
    assert "Unable to connect to Flux: broker socket /nonexistent/socket was not found" in done.stderr


def test_version_reads_like_flux_core():
    done = python(
        "import sys; sys.argv = ['flux', '--version']; import flux._command as c; sys.exit(c.main())"
    )
    major, minor, _patch = (int(part) for part in done.stdout.split()[-1].split("."))
    assert (major, minor) >= (0, 48)


def test_idset_is_mutable_as_in_flux_core():
    check("""
from flux.idset import IDset, decode, IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE
ids = IDset("1-3,7")
assert (len(ids), ids.first(), ids.next(3), ids.last(), ids.next(7)) == (4, 1, 7, 7, 4294967294)
ids.set(10, 12); ids.clear(2); ids[0] = 1; ids[1] = 0
assert str(ids) == "0,3,7,10-12" and 11 in ids and not ids.test(2)
assert ids.encode(IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS) == "[0,3,7,10-12]"
assert ids.encode(0) == "0,3,7,10,11,12"
copy = ids.copy(); copy.add("20"); assert 20 not in ids
assert str(ids & "7-11") == "7,10-11" and str(ids - "7") == "0,3,10-12" and ids | "1" == ids.union(1)
ids += "1-2"; ids -= "0"; assert ids.expand() == [1, 2, 3, 7, 10, 11, 12] and ids == decode("1-3,7,10-12")
for bad in ("x", "3-1"):
    try: IDset(bad)
    except ValueError: continue
    raise SystemExit(bad)
""")
