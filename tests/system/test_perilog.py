# SPDX-License-Identifier: LGPL-3.0-or-later
"""A prolog and an epilog in a real instance, and what drains its node."""

import os

import pytest

from rosin.handle import Flux
from rosin.job import event_wait, result
from rosin.job.submission import submit
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance, processes_with, wait_until_gone

pytestmark = pytest.mark.system

CONFIG = """
[job-manager]
plugins = [{{load = "perilog.so"}}]
[job-manager.prolog]
command = ["sh", "-c", "echo prolog >>{log}; {prolog}"]
per-rank = true
[job-manager.epilog]
command = ["sh", "-c", "echo epilog >>{log}"]
"""


def start(tmp_path, prolog, *options):
    config = tmp_path / "rosin.toml"
    config.write_text(CONFIG.format(log=tmp_path / "log", prolog=prolog))
    return RealInstance(*options, f"--config-path={config}")


def run(h, tmp_path):
    command = ["sh", "-c", f"echo job >>{tmp_path}/log"]
    return submit(h, from_command(command, environment={"PATH": os.environ["PATH"]}))


def test_around_a_job(tmp_path):
    with start(tmp_path, "true") as instance, Flux(instance.uri) as h:
        id = run(h, tmp_path)
        event_wait(h, id, "clean", raiseJobException=False)
        assert (tmp_path / "log").read_text() == "prolog\njob\nepilog\n"
        assert result(h, id).returncode == 0


def test_a_failure_drains_the_node(tmp_path):
    with start(tmp_path, "exit 7") as instance, Flux(instance.uri) as h:
        id = run(h, tmp_path)
        event_wait(h, id, "clean", raiseJobException=False)
        assert (tmp_path / "log").read_text() == "prolog\nepilog\n"
        drained = h.rpc("resource.status", {}).get()["drain"]
        assert drained["0"]["reason"] == f"prolog failed for job {id.f58}"


def test_a_cancel_ends_the_prolog(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with (
        start(tmp_path, f"echo $FLUX_JOB_ID >{fifo}; exec sleep inf") as instance,
        Flux(instance.uri) as h,
    ):
        id = run(h, tmp_path)
        assert fifo.read_text() == f"{id.f58}\n"
        h.rpc("job-manager.raise", {"id": int(id), "severity": 0, "type": "cancel"}).get()
        event_wait(h, id, "clean", raiseJobException=False)
        assert not wait_until_gone(f"FLUX_JOB_ID={id.f58}")
        assert (tmp_path / "log").read_text() == "prolog\nepilog\n"
        assert h.rpc("resource.status", {}).get()["drain"] == {}


def test_a_prolog_does_not_outlive_the_instance(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with start(tmp_path, f"echo >{fifo}; exec sleep inf") as instance, Flux(instance.uri) as h:
        id = run(h, tmp_path)
        fifo.read_text()
        assert processes_with(f"FLUX_JOB_ID={id.f58}")
    assert not wait_until_gone(f"FLUX_JOB_ID={id.f58}")


def test_on_each_node_of_a_job(tmp_path):
    """Three brokers: a job has the last two, on one of which its prolog fails."""
    failing = f"mkdir {tmp_path}/lock || exit 5"  # the second to come fails
    with start(tmp_path, failing, "-s", "3") as instance, Flux(instance.uri) as h:
        spec = from_command(["true"], num_tasks=2, num_nodes=2)
        spec["attributes"]["system"]["constraints"] = {"ranks": ["1-2"]}
        id = submit(h, spec)
        event_wait(h, id, "clean", raiseJobException=False)
        assert sorted((tmp_path / "log").read_text().split()) == ["epilog", "prolog", "prolog"]
        drained = h.rpc("resource.status", {}).get()["drain"]
        assert len(drained) == 1
        assert drained.keys() <= {"1", "2"}
