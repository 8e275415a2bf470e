# SPDX-License-Identifier: LGPL-3.0-or-later
"""The command that starts a job shell, as a request to the subprocess server (RFC 42, pure)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.remote import protocol

if TYPE_CHECKING:
    from rosin.modules.job_exec.job import ExecJob
    from rosin.modules.job_exec.settings import ExecSettings

#: Rosin's shell and the function that the zygote calls for it.
SHELL_MODULE = "rosin.shell"
SHELL_FUNCTION = "rosin.shell.main:main"
SHELL_NAME = "rosin-shell"

#: Broker attributes that shells are told: those that all brokers of an instance share, and those of each.
SHARED_ATTRIBUTES = ("security.owner", "jobid-path", "instance-level", "conf.shell_initrc")
OWN_ATTRIBUTES = ("rundir", "tbon.interface-hint")
#: Shells of a job with up to so many ranks ask rank 0 for what the KVS has of the job: a request or two each,
#: where the KVS above rank 0 faults in each directory on the way, some 18. More shells share what is cached.
FEW_RANKS = 256
#: Longest hand-over on a command line, in characters (the system's limit for one argument is 128 KiB).
MAX_HAND_OVER = 32768

_JOB_VARIABLES = (
    "FLUX_JOB_ID",
    "FLUX_JOB_ID_PATH",
    "FLUX_JOB_CC",
    "FLUX_JOB_SIZE",
    "FLUX_JOB_NNODES",
    "FLUX_JOB_TMPDIR",
    "FLUX_TASK_RANK",
    "FLUX_TASK_LOCAL_ID",
    "FLUX_KVS_NAMESPACE",
    "FLUX_PROXY_REMOTE",
    "FLUX_TERMINUS_SESSION",
    "PMI_FD",
    "PMI_RANK",
    "PMI_SIZE",
)


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The broker's environment without what describes the job that the broker itself may be."""
    return {name: value for name, value in environ.items() if name not in _JOB_VARIABLES}


def shell_path(job: ExecJob) -> str | None:
    """The program that the jobspec or the configuration names as job shell; None for Rosin's own."""
    chosen = job.system("exec", "job_shell")
    return chosen if isinstance(chosen, str) else job.config.job_shell


def component(job: ExecJob) -> str:
    """What the shell is called in the exec.eventlog."""
    path = job.config.imp if job.multiuser else shell_path(job)
    return SHELL_NAME if path is None else os.path.basename(path)


def hand_over(
    job: ExecJob, attrs: Mapping[str, str], rank: int, local: int, keep: float = 0.0
) -> dict[str, Any]:
    """What a shell on ``rank`` would otherwise have to ask for; ``attrs`` are those of the rank ``local``.

    ``keep``: seconds for which it outlives its broker.
    """
    init = {"jobspec": job.request.jobspec, "R": job.request.R, "rank": rank}
    if keep:
        init["keep"] = keep
    names = SHARED_ATTRIBUTES if rank != local else (*SHARED_ATTRIBUTES, *OWN_ATTRIBUTES)
    init["attrs"] = {name: attrs[name] for name in names if attrs.get(name)}
    if rank != local:
        init["ask"] = list(OWN_ATTRIBUTES)
        if len(job.allocation.ranks) <= FEW_RANKS:
            init["source"] = local
    return init


def shell_command(job: ExecJob, environ: dict[str, str], init: dict[str, Any], label: str) -> dict[str, Any]:
    """The payload of the exec request that starts one shell of the job, by this label.

    ``init`` is given to Rosin's own shell, unless it is too large for an argument.
    """
    env = {**environ, "FLUX_KVS_NAMESPACE": job.namespace}
    opts: dict[str, str] = {}
    path = shell_path(job)
    program = [sys.executable, "-m", SHELL_MODULE] if path is None else [path]
    cmdline = [*program, str(job.id)]
    if path is None:
        text = _json.dumps(init).decode()
        if len(text) <= MAX_HAND_OVER:
            cmdline.insert(-1, f"--init={text}")
    if job.multiuser:
        cmdline = _with_imp(job.config, cmdline)
        env["FLUX_IMP_EXEC_HELPER"] = f"flux imp_exec_helper {job.id}"
    elif path is None:
        opts[protocol.ZYGOTE_OPTION] = SHELL_FUNCTION
        if "keep" in init:
            opts[protocol.KEEP_OPTION] = "1"
    return protocol.exec_request(protocol.command(cmdline, env, opts, label=label))


def _with_imp(config: ExecSettings, cmdline: list[str]) -> list[str]:
    """Run under another user's id by way of the privileged helper (RFC 15)."""
    assert config.imp is not None
    return [config.imp, "exec", *cmdline]
