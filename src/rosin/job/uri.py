# SPDX-License-Identifier: LGPL-3.0-or-later
"""URIs of Flux instances that run as jobs, from this host and from others."""

from __future__ import annotations

import os

from rosin.handle.checks import InvalidArguments


class JobURI:
    """The URI of an instance: ``local://PATH``, or ``ssh://HOST/PATH`` from another host.

    Attributes: ``uri`` (the text), ``scheme``, ``netloc`` (the host, "" for local), ``path``. Raises
    ValueError for text without a scheme, TypeError for what is no text.
    """

    #: ``str()`` gives the local URI, too, when FLUX_URI_RESOLVE_LOCAL is set.
    force_local = bool(os.environ.get("FLUX_URI_RESOLVE_LOCAL"))

    def __init__(self, uri: str, remote_hostname: str | None = None) -> None:
        if not isinstance(uri, str):
            raise InvalidArguments(f"uri must be a string, not {type(uri)}")
        if not uri.partition(":")[1] or not uri.partition(":")[0].isalnum():
            raise ValueError(
                f"JobURI '{uri}' does not have a valid scheme; expected local://PATH or ssh://HOST/PATH"
            )
        self.uri = uri
        self.scheme, _, rest = self.uri.partition("://")
        self.netloc, slash, path = rest.partition("/")
        self.path = slash + path
        self._hostname = remote_hostname

    @property
    def remote(self) -> str:
        """The URI for use from another host."""
        if self.scheme != "local":
            return self.uri
        return f"ssh://{self._hostname or os.uname().nodename}{self.path}"

    @property
    def local(self) -> str:
        """The URI for use on the instance's own host."""
        return f"local://{self.path}" if self.scheme == "ssh" else self.uri

    def __str__(self) -> str:
        return self.local if self.force_local else self.uri

    def __repr__(self) -> str:
        return f"JobURI({self.uri!r})"
