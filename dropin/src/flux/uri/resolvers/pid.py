# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.pid: the instance that a local process belongs to."""

from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli.uri_pid import of_pid


class URIResolver(URIResolverPlugin):
    """Resolves the id of a process: a broker's own instance, else FLUX_URI in its environment."""

    def describe(self) -> str:
        return "FLUX_URI of a local process"

    def resolve(self, uri: URIResolverURI) -> str:
        return of_pid(uri.path)
