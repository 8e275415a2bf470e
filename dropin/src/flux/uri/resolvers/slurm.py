# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.slurm: the instance that a Slurm job is."""

from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli import slurm


class URIResolver(URIResolverPlugin):
    """Resolves the id of a Slurm job by its processes on this host, else by asking on its first node."""

    def describe(self) -> str:
        return "URI of the instance that runs in a Slurm job"

    def resolve(self, uri: URIResolverURI) -> str:
        return slurm.uri(uri.path, "flux")
