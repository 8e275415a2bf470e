# SPDX-License-Identifier: LGPL-3.0-or-later
"""The instance that runs in a Slurm job."""

from __future__ import annotations

import os
import subprocess

from rosin.cli.uri_pid import of_pid
from rosin.job.uri import JobURI
from rosin.rfc.hostlist import Hostlist


def _output(*command: str, env: dict[str, str] | None = None) -> str:
    """What a command prints. Raises OSError, and CalledProcessError when it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.strip()


def local_pids(jobid: str) -> list[int]:
    """The first task of each step of a job on this host, in which a broker may run.

    Raises OSError and CalledProcessError.
    """
    # The columns are PID, JOBID, STEPID, LOCALID, GLOBALID.
    rows = [line.split() for line in _output("scontrol", "listpids", jobid).splitlines()]
    pids = [int(row[0]) for row in rows if len(row) > 3 and row[0].isdecimal() and row[3] == "0"]
    return [pid for pid in pids if pid not in (0, os.getpid())]


def hosts(jobid: str) -> Hostlist:
    """The nodes of a job. Raises ValueError."""
    try:
        return Hostlist(_output("squeue", "-h", "-o", "%N", "-j", jobid))
    except (OSError, subprocess.CalledProcessError) as exc:
        raise ValueError(f"unable to query nodelist for Slurm job {jobid}: {exc}") from exc


def remote_uri(jobid: str, program: str) -> str:
    """Ask ``program`` on the first node of a job. Raises ValueError."""
    nodes = hosts(jobid)
    if not nodes:
        raise ValueError(f"empty nodelist returned for Slurm job {jobid}")
    env = {name: value for name, value in os.environ.items() if name != "FLUX_URI"}
    step = ("srun", "--overlap", f"--jobid={jobid}", "-w", nodes[0], "-n1", "-N1")
    try:
        return _output(*step, program, "uri", "--remote", f"slurm:{jobid}", env=env)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise ValueError(f"Unable to resolve Flux URI for Slurm job {jobid}: {exc}") from exc


def uri(jobid: str, program: str = "rosin") -> str:
    """The URI of a job by its processes on this host, else by asking on its first node. Raises ValueError."""
    jobid = jobid.partition("/")[0]
    try:
        pids = local_pids(jobid)
    except (OSError, subprocess.CalledProcessError):
        return remote_uri(jobid, program)
    failures = []
    for pid in pids:
        try:
            return JobURI(of_pid(str(pid))).remote
        except (ValueError, OSError) as exc:
            failures.append(str(exc))
    reasons = "; ".join(failures) or "it has no processes here"
    raise ValueError(f"Unable to resolve Flux URI for Slurm job {jobid}: {reasons}")
