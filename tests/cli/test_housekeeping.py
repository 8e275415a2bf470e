# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin housekeeping in a real instance that has a housekeeping command, and on made-up statistics."""

import json
import os
import re

import pytest

from rosin.cli.format import OutputFormat
from rosin.cli.housekeeping import HousekeepingLine, combine, ranks_of
from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle import Flux
from rosin.job.submission import submit
from rosin.rfc import fluid
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance, processes_with, wait_until_gone


def entry(pending, allocated):
    return {"t_start": 1.0, "pending": pending, "allocated": allocated}


HOSTS = ["n0", "n1", "n2", "n1"]
HEADINGS = {"t_start": "T", "nnodes": "N", "ranks": "R", "pending.ranks": "P", "nodelist": "H"}


def test_lines_that_read_the_same_are_one():
    lines = [
        HousekeepingLine("1", entry("0", "0-1"), HOSTS, None),
        HousekeepingLine("2", entry("2", "2"), HOSTS, None),
    ]
    for line in lines:
        line.runtime = 2.0
    form = OutputFormat("{t_start} {nnodes} {ranks} {pending.ranks} {nodelist}", HEADINGS)
    assert [form.format(line) for line in combine(lines, form)] == ["1.0 3 0-2 0,2 n[0-2]"]


def test_targets():
    hosts = Hostlist(HOSTS)
    assert ranks_of("1-9", hosts, ignore_unknown=True).encode() == "1-9"
    assert ranks_of("n[1-2]", hosts, ignore_unknown=False).encode() == "1-3"
    assert not ranks_of("nowhere", hosts, ignore_unknown=True)
    with pytest.raises(ValueError, match="didn't find nowhere in instance hostlist"):
        ranks_of("n1,nowhere", hosts, ignore_unknown=False)
    with pytest.raises(ValueError, match="valid Idset or Hostlist"):
        ranks_of("n[1-", hosts, ignore_unknown=False)


def test_kill_wants_to_know_what(command):
    assert command("housekeeping", "kill").err == (
        "rosin-housekeeping: ERROR: specify at least one of --targets, --jobid, or --all\n"
    )
    assert command("housekeeping", "kill", "--all", "-j1").err == (
        "rosin-housekeeping: ERROR: do not specify --jobid with --all\n"
    )


def follow(h, text):
    """Read the log until it says so."""
    for line in h.rpc("log.dmesg", {"follow": True}, flags=FLUX_RPC_STREAMING).messages():
        if text in line.raw.decode():
            return


CONFIG = """
[job-manager.housekeeping]
command = ["sh", "-c", "echo cleaning up after $FLUX_JOB_ID; exec cat {fifo}"]
"""


@pytest.mark.system
def test_list_and_kill(command, monkeypatch, tmp_path):
    """The command reads from a FIFO that nobody writes to: it ends when it is killed."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    config = tmp_path / "rosin.toml"
    config.write_text(CONFIG.format(fifo=fifo))
    with RealInstance(f"--config-path={config}") as instance, Flux(instance.uri) as h:
        monkeypatch.setenv("FLUX_URI", instance.uri)
        id = submit(h, from_command(["true"], environment={"PATH": os.environ["PATH"]}))
        h.rpc("job-manager.drain", {}).get()
        host = h.attr_get("hostlist")
        name = fluid.encode(id, "f58")
        lines = command("housekeeping", "list").out.splitlines()
        assert lines[0] == "       JOBID NNODES #ACTIVE  RUNTIME NODELIST"
        assert re.fullmatch(rf" *{name} +1 +1 +\S+ {re.escape(host)}", lines[1])
        assert command("housekeeping", "list", "-n", "-o", "pending", "-i", "7").out == ""
        free = command("resource", "list", "-n", "-s", "allocated", "-o", "{nnodes}").out
        assert free == "1\n"
        follow(h, f"cleaning up after {id.dec}")
        assert processes_with(f"FLUX_JOB_ID={id.dec}")
        assert command("housekeeping", "kill", "-j", name, "-t", host, "-s", "9").code == 0
        follow(h, f"housekeeping: {name} complete")
        assert not processes_with(f"FLUX_JOB_ID={id.dec}")
        log = command("dmesg").out
        assert (
            f"job-manager.info[0]: housekeeping: {host} (rank 0) {name}: cleaning up after {id.dec}\n" in log
        )
        assert f"job-manager.err[0]: housekeeping: {host} (rank 0) {name}: Killed\n" in log
        assert command("housekeeping", "list", "-n").out == ""
        assert command("resource", "list", "-n", "-s", "allocated", "-o", "{nnodes}").out == "0\n"
        stats = json.loads(command("module", "stats", "job-manager").out)
        assert stats["housekeeping"]["config"]["command"].startswith("sh -c echo")
        # What still runs when the instance ends does not outlive it.
        id = submit(h, from_command(["true"], environment={"PATH": os.environ["PATH"]}))
        h.rpc("job-manager.drain", {}).get()
        follow(h, f"cleaning up after {id.dec}")
        assert processes_with(f"FLUX_JOB_ID={id.dec}")
    assert not wait_until_gone(f"FLUX_JOB_ID={id.dec}")
