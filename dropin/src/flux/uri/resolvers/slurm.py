# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.slurm: the instance that a Slurm job is."""

import errno
import subprocess

from flux._elsewhere import elsewhere
from flux.hostlist import Hostlist
from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli import slurm


def slurm_job_pids(jobid: int | str) -> list[int]:
    """The first task of each step of a job on this host. Raises OSError (ENOENT) if Slurm knows of none."""
    try:
        return slurm.local_pids(str(jobid))
    except subprocess.CalledProcessError:
        raise OSError(errno.ENOENT, f"Slurm job {jobid} has no processes on this host") from None


def slurm_job_hostlist(jobid: int | str) -> Hostlist:
    """The nodes of a job. Raises ValueError."""
    return slurm.hosts(str(jobid))


def slurm_resolve_remote(jobid: int | str) -> str:
    """The URI of a job, asked for on its first node. Raises ValueError."""
    return slurm.remote_uri(str(jobid), "flux")


class URIResolver(URIResolverPlugin):
    """Resolves the id of a Slurm job by its processes on this host, else by asking on its first node."""

    def describe(self) -> str:
        return "URI of the instance that runs in a Slurm job"

    def resolve(self, uri: URIResolverURI) -> str:
        return slurm.uri(uri.path, "flux")


__getattr__ = elsewhere(__name__)
