# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.pid: the instance that a local process belongs to."""

from pathlib import Path

from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli.uri_pid import of_pid


class URIResolver(URIResolverPlugin):
    """Resolves the id of a process: a broker's own instance, else FLUX_URI in its environment."""

    def describe(self) -> str:
        return "FLUX_URI of a local process"

    @staticmethod
    def get_broker_child(pid: int | str) -> str:
        """A child of a broker. Raises ValueError if it has none."""
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found = children.read_text().split()
            if found:
                return found[0]
        raise ValueError(f"PID {pid} is a flux-broker and no child found")

    def resolve(self, uri: URIResolverURI) -> str:
        return of_pid(uri.path)
