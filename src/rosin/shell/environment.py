# SPDX-License-Identifier: LGPL-3.0-or-later
"""The environment of a job's tasks: the jobspec's, and what the shell adds to it."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from rosin.rfc.jobpath import guest_namespace
from rosin.shell.info import ShellInfo


def job_environment(
    info: ShellInfo, shell_env: Mapping[str, str], uri: str, jobid_path: str
) -> dict[str, str]:
    """What all tasks share. ``jobid_path`` is the broker attribute: the ids of the enclosing jobs."""
    env = {name: str(value) for name, value in info.spec.environment.items()}
    env.pop("FLUX_PROXY_REMOTE", None)
    env["FLUX_URI"] = uri
    env["FLUX_KVS_NAMESPACE"] = shell_env.get("FLUX_KVS_NAMESPACE") or guest_namespace(info.jobid)
    env["FLUX_JOB_ID"] = info.f58
    env["FLUX_JOB_ID_PATH"] = f"{'' if jobid_path == '/' else jobid_path}/{info.f58}"
    env["FLUX_JOB_SIZE"] = str(info.ntasks)
    env["FLUX_JOB_NNODES"] = str(info.size)
    env["FLUX_TERMINUS_SESSION"] = "0"  # flux-core has it in every job; a task with a terminal gets its own
    if "HOSTNAME" in env:  # the submitter's, almost certainly not this node's
        env["HOSTNAME"] = socket.gethostname()
    if info.tmpdir is not None:
        env["FLUX_JOB_TMPDIR"] = info.tmpdir
        if info.options.get("mpi") != "none":
            env["OMPI_MCA_btl_vader_backing_directory"] = info.tmpdir
    return env


def task_environment(env: Mapping[str, str], rank: int, localid: int) -> dict[str, str]:
    """One task's environment, on top of what all share."""
    return {**env, "FLUX_TASK_RANK": str(rank), "FLUX_TASK_LOCAL_ID": str(localid)}
