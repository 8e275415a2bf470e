# SPDX-License-Identifier: LGPL-3.0-or-later
"""The instance that runs in a job of IBM Spectrum LSF."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from rosin.cli.uri_pid import of_pid
from rosin.job.uri import JobURI

#: In the command line of a broker.
_BROKER = re.compile(rb"flux|rosin")
#: Where IBM's cluster system management tells a job's nodes, unless CSM_ALLOCATION_QUERY says otherwise.
ALLOCATION_QUERY = "/opt/ibm/csm/bin/csm_allocation_query"


def first_node(jobid: str) -> str:
    """The first compute node of a job by name. Raises ValueError."""
    import yaml

    from rosin.rfc.hostlist import Hostlist

    query = os.environ.get("CSM_ALLOCATION_QUERY", ALLOCATION_QUERY)
    try:
        done = subprocess.run([query, "-j", jobid], stdout=subprocess.PIPE, check=False)
        return min(Hostlist(yaml.safe_load(done.stdout)["compute_nodes"]))
    except (OSError, TypeError, KeyError, ValueError, yaml.YAMLError) as exc:
        raise ValueError(f"Unable to find a compute node attached to job {jobid}: {exc}") from exc


def belongs(pid: str, jobid: str) -> bool:
    """Whether a process of this host belongs to a job; not if it has ended, or is another user's."""
    try:
        return f"LSB_JOBID={jobid}".encode() in Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def broker_pid(jobid: str) -> int:
    """The user's process of a job on this host in which a Flux broker runs. Raises ValueError."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if not _BROKER.search((directory / "cmdline").read_bytes()):
                continue
        except OSError:
            continue  # it has ended
        if belongs(directory.name, jobid):
            return int(directory.name)
    raise ValueError(f"LSF job {jobid} runs no Flux broker on this host")


def remote_uri(host: str, jobid: str, program: str) -> str:
    """Ask on a node of the job by ssh. Raises ValueError."""
    there = os.environ.get("FLUX_SSH_RCMD") or shutil.which(program) or program
    ssh = [os.environ.get("FLUX_SSH", "ssh"), host, there]
    try:
        done = subprocess.run(
            [*ssh, "uri", "--remote", f"lsf:{jobid}?is_compute"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as exc:
        raise ValueError(f"LSF job {jobid} doesn't seem to have a FLUX_URI: {exc}") from exc
    return done.stdout.strip()


def uri(jobid: str, program: str = "rosin", here: bool = False) -> str:
    """The URI of a job by asking on its first node; ``here`` says that this is it. Raises ValueError."""
    if here:
        return JobURI(of_pid(str(broker_pid(jobid)))).remote
    return remote_uri(first_node(jobid), jobid, program)
