# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.lsf: the instance that a job of IBM Spectrum LSF is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from flux.uri import FluxURIResolver, URIResolverPlugin, URIResolverURI

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


def broker_pid(jobid: str) -> int:
    """The user's process of a job on this host in which a Flux broker runs. Raises ValueError."""
    wanted = f"LSB_JOBID={jobid}".encode()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if b"flux" not in (directory / "cmdline").read_bytes():
                continue
            if wanted in (directory / "environ").read_bytes().split(b"\0"):
                return int(directory.name)
        except OSError:
            continue  # it has ended, or it is another user's
    raise ValueError(f"LSF job {jobid} runs no Flux broker on this host")


def remote_uri(host: str, jobid: str) -> str:
    """Ask on a node of the job by ssh. Raises ValueError."""
    flux = os.environ.get("FLUX_SSH_RCMD") or shutil.which("flux") or "flux"
    ssh = [os.environ.get("FLUX_SSH", "ssh"), host, flux]
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


class URIResolver(URIResolverPlugin):
    """Resolves the id of an LSF job by asking on its first node; ``?is_compute`` says that this is it."""

    def describe(self) -> str:
        return "URI of the instance that runs in a job of IBM Spectrum LSF"

    def resolve(self, uri: URIResolverURI) -> str:
        if "is_compute" in uri.query_dict:
            return FluxURIResolver().resolve(f"pid:{broker_pid(uri.path)}").remote
        return remote_uri(first_node(uri.path), uri.path)
