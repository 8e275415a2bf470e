# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.lsf: the instance that a job of IBM Spectrum LSF is."""

from flux._elsewhere import elsewhere
from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli import lsf


def lsf_find_compute_node(jobid: int | str) -> str:
    """The first compute node of a job by name. Raises ValueError."""
    return lsf.first_node(str(jobid))


def check_lsf_jobid(pid: int | str, jobid: int | str) -> bool:
    """Whether a process of this host belongs to a job."""
    return lsf.belongs(str(pid), str(jobid))


def lsf_job_pid(jobid: int | str) -> str:
    """The process of a job on this host in which a Flux broker runs. Raises ValueError."""
    return str(lsf.broker_pid(str(jobid)))


def lsf_get_uri(hostname: str, jobid: int | str) -> str:
    """Ask on a node of the job by ssh. Raises ValueError."""
    return lsf.remote_uri(hostname, str(jobid), "flux")


class URIResolver(URIResolverPlugin):
    """Resolves the id of an LSF job by asking on its first node; ``?is_compute`` says that this is it."""

    def describe(self) -> str:
        return "URI of the instance that runs in a job of IBM Spectrum LSF"

    def resolve(self, uri: URIResolverURI) -> str:
        return lsf.uri(uri.path, "flux", "is_compute" in uri.query_dict)


__getattr__ = elsewhere(__name__)
