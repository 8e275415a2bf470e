# SPDX-License-Identifier: LGPL-3.0-or-later
"""From what names an instance to its URI; programs in PATH stand for Slurm and LSF."""

from __future__ import annotations

import os

import pytest

from rosin.cli import lsf, resolvers, slurm

MINE = f"ssh://{os.uname().nodename}/x"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Make a program that answers in place of the one of that name."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(name, text):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
        return str(tmp_path / name)

    return make


@pytest.fixture(autouse=True)
def _pids(monkeypatch):
    monkeypatch.setattr(resolvers, "of_pid", lambda pid: "local:///x")
    monkeypatch.setattr(slurm, "of_pid", lambda pid: {"12": "local:///x"}[pid])
    monkeypatch.setattr(lsf, "of_pid", lambda pid: "local:///x")


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("local:///a", "local:///a"),
        ("ssh://h/a", "ssh://h/a"),
        ("pid:12", "local:///x"),
        ("pid:12?local", "local:///x"),
        ("pid:12?remote", MINE),
    ],
)
def test_what_needs_no_instance(target, uri):
    assert resolvers.resolve(target) == uri


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("", "TARGET is empty"),
        ("nosuch:1", "No plugin for URI scheme nosuch: there are jobid, pid, slurm, lsf, local, ssh"),
        ("pid:1?x", "unknown query 'x': it takes local, remote, wait, is_compute"),
        ("pid:1?local&remote", "Only one of 'local' or 'remote' is allowed"),
    ],
)
def test_what_is_refused(target, text):
    with pytest.raises(ValueError, match=text.replace("?", r"\?")):
        resolvers.resolve(target)


def test_a_socket_of_this_host_is_reached_without_ssh():
    assert resolvers.reach("pid:12?remote") == "local:///x"
    assert resolvers.reach(MINE) == MINE  # as it was asked for


def test_slurm_on_this_host(programs):
    programs("scontrol", "echo 'PID JOBID STEPID LOCALID GLOBALID'; echo '11 7 0 1 1'; echo '12 7 0 0 0'")
    assert resolvers.resolve("slurm:7") == MINE


def test_slurm_without_a_broker_here(programs):
    programs("scontrol", "echo '11 7 0 1 1'")
    with pytest.raises(
        ValueError, match="Unable to resolve Flux URI for Slurm job 7: it has no processes here"
    ):
        resolvers.resolve("slurm:7")


def test_slurm_on_another_host(programs):
    programs("scontrol", "exit 1")
    programs("squeue", "echo 'n[3-4]'")
    programs("srun", 'test -z "$FLUX_URI" && echo "ssh://$*"')
    words = "--overlap --jobid=7 -w n3 -n1 -N1 rosin uri --remote slurm:7"
    assert resolvers.resolve("slurm:7") == f"ssh://{words}"


def test_slurm_that_is_not_there(programs):
    programs("scontrol", "exit 1")
    programs("squeue", "exit 1")
    with pytest.raises(ValueError, match="unable to query nodelist for Slurm job 7"):
        resolvers.resolve("slurm:7")


def test_lsf(programs, monkeypatch):
    monkeypatch.setenv("CSM_ALLOCATION_QUERY", programs("query", "echo 'compute_nodes: [n4, n3]'"))
    monkeypatch.setenv("FLUX_SSH", programs("remote-shell", 'echo "ssh://$*"'))
    monkeypatch.setenv("FLUX_SSH_RCMD", "there")
    assert resolvers.resolve("lsf:9") == "ssh://n3 there uri --remote lsf:9?is_compute"


def test_lsf_on_its_node(monkeypatch):
    monkeypatch.setattr(lsf, "broker_pid", lambda jobid: {"9": 12}[jobid])
    assert resolvers.resolve("lsf:9?is_compute") == MINE
