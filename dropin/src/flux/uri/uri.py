# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.uri: from what names an instance to its URI."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from flux.importer import import_plugins
from rosin.job.uri import URI, JobURI

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["URI", "FluxURIResolver", "JobURI", "URIResolverPlugin", "URIResolverURI"]


class URIResolverURI(URI):
    """What is to be resolved, ``SCHEME:PATH?QUERY``."""


class URIResolverPlugin(ABC):
    """Resolves one scheme. A module ``flux.uri.resolvers.SCHEME`` has one as its ``URIResolver``."""

    def __init__(self, *args: Any) -> None:  # noqa: B027 - not abstract
        """Take no arguments; a plugin may."""

    @abstractmethod
    def describe(self) -> str:
        """What the scheme is for, in a line."""

    @abstractmethod
    def resolve(self, uri: URIResolverURI) -> str:
        """The URI of the instance. Raises ValueError and OSError."""


class FluxURIResolver:
    """Resolves with the plugins in ``flux.uri.resolvers``, and those below the directories ``pluginpath``."""

    def __init__(self, pluginpath: Iterable[str] | None = None) -> None:
        self.plugin_namespace = "flux.uri.resolvers"
        found = import_plugins(self.plugin_namespace, list(pluginpath or ()))
        self.resolvers: dict[str, URIResolverPlugin] = {
            scheme: module.URIResolver() for scheme, module in found.items()
        }

    def resolve(self, uri: str) -> JobURI:
        """The instance of ``SCHEME:PATH``; a text without a scheme is a job id or a path of them.

        ``?local`` and ``?remote`` ask for one of the forms. Raises NotImplementedError for an unknown scheme,
        and ValueError and OSError.
        """
        target = URIResolverURI(uri)
        if target.scheme in ("local", "ssh"):
            return JobURI(uri)
        if not target.scheme:
            target = URIResolverURI(f"jobid:{uri}")
        if target.scheme not in self.resolvers:
            raise NotImplementedError(f"No plugin for URI scheme {target.scheme}")
        forms = [form for form in ("local", "remote") if form in target.query_dict]
        if len(forms) > 1:
            raise ValueError("Only one of 'local' or 'remote' is allowed")
        found = JobURI(self.resolvers[target.scheme].resolve(target))
        return JobURI(getattr(found, forms[0])) if forms else found

    def plugins(self) -> dict[str, str]:
        """What each scheme is for."""
        return {scheme: resolver.describe() for scheme, resolver in self.resolvers.items()}
