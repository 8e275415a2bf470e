# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.lsf: the instance that a job of IBM Spectrum LSF is."""

from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli import lsf


class URIResolver(URIResolverPlugin):
    """Resolves the id of an LSF job by asking on its first node; ``?is_compute`` says that this is it."""

    def describe(self) -> str:
        return "URI of the instance that runs in a job of IBM Spectrum LSF"

    def resolve(self, uri: URIResolverURI) -> str:
        return lsf.uri(uri.path, "flux", "is_compute" in uri.query_dict)
