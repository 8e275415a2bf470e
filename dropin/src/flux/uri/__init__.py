# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri."""

from flux.uri.uri import URI, FluxURIResolver, JobURI, URIResolverPlugin, URIResolverURI

__all__ = ["URI", "FluxURIResolver", "JobURI", "URIResolverPlugin", "URIResolverURI", "uri"]
