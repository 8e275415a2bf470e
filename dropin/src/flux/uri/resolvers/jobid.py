# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers.jobid: instances that are jobs."""

from __future__ import annotations

from typing import Any

import flux
from flux._elsewhere import elsewhere
from flux.job import event_watch
from flux.uri import URIResolverPlugin, URIResolverURI
from rosin.cli.resolvers import of_job, parent_of, resolve_path


def wait_for_uri(flux_handle: Any, jobid: int | str) -> str | None:
    """Wait until the instance that a job is tells its URI; None if the job ends without. Raises OSError."""
    for event in event_watch(flux_handle, jobid):
        if event.name == "memo" and "uri" in event.context:
            return str(event.context["uri"])
        if event.name == "finish":
            break
    return None


def resolve_parent(handle: Any) -> str:
    """The URI of the enclosing instance, that of the instance itself if there is none."""
    return parent_of(handle)


def resolve_root(flux_handle: Any) -> str:
    """The URI of the instance at the top."""
    while int(flux_handle.attr_get("instance-level")) > 0:
        flux_handle = flux.Flux(parent_of(flux_handle))
    return str(flux_handle.attr_get("local-uri"))


def resolve_jobid(flux_handle: Any, arg: str, wait: bool) -> str:
    """The URI of the instance that a job is; ``wait`` until it is told. Raises ValueError."""
    return of_job(flux_handle, arg, wait)


class URIResolver(URIResolverPlugin):
    """Resolves a job id, or a path of them in which ``/`` is the root and ``..`` the parent.

    ``?wait`` waits until the job has published its URI.
    """

    def describe(self) -> str:
        return "URI of the instance that a job is"

    def resolve(self, uri: URIResolverURI) -> str:
        return resolve_path(uri.path, "wait" in uri.query_dict)


__getattr__ = elsewhere(__name__)
