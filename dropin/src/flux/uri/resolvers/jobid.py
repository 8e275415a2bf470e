# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.jobid: instances that are jobs."""

from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli.resolvers import resolve_path


class URIResolver(URIResolverPlugin):
    """Resolves a job id, or a path of them in which ``/`` is the root and ``..`` the parent.

    ``?wait`` waits until the job has published its URI.
    """

    def describe(self) -> str:
        return "URI of the instance that a job is"

    def resolve(self, uri: URIResolverURI) -> str:
        return resolve_path(uri.path, "wait" in uri.query_dict)
