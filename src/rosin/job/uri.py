# SPDX-License-Identifier: LGPL-3.0-or-later
"""URIs of Flux instances that run as jobs, from this host and from others."""

from __future__ import annotations

import os

from rosin.handle.checks import InvalidArguments


class URI:
    """The parts of a URI (RFC 3986), "" for what is not there.

    Attributes: ``uri`` (the whole text), ``scheme`` (lower case), ``netloc`` (what is between ``//`` and the
    path), ``path``, ``query`` (after ``?``), ``fragment`` (after ``#``); ``params`` is always "". Raises
    TypeError for what is no text.
    """

    params = ""

    def __init__(self, uri: str) -> None:
        if not isinstance(uri, str):
            raise InvalidArguments(f"uri must be a string, not {type(uri)}")
        self.uri = uri
        rest, _, self.fragment = uri.partition("#")
        rest, _, self.query = rest.partition("?")
        scheme, colon, after = rest.partition(":")
        self.scheme = scheme.lower() if colon and _is_scheme(scheme) else ""
        self.path = after if self.scheme else rest
        self.netloc = ""
        if self.path.startswith("//"):
            self.netloc, slash, path = self.path[2:].partition("/")
            self.path = slash + path

    @property
    def query_dict(self) -> dict[str, list[str]]:
        """The query by keys: ``wait&a=1&a=2`` is ``{"wait": [""], "a": ["1", "2"]}``."""
        from urllib.parse import parse_qs

        return parse_qs(self.query, keep_blank_values=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"


def _is_scheme(text: str) -> bool:
    return text.isascii() and text[:1].isalpha() and all(c.isalnum() or c in "+-." for c in text)


class JobURI(URI):
    """The URI of an instance: ``local://PATH``, or ``ssh://HOST/PATH`` from another host.

    ``remote_hostname`` is the host of a local URI, by default this one. Raises ValueError for text without a
    scheme, TypeError for what is no text.
    """

    #: ``str()`` gives the local URI, too, when FLUX_URI_RESOLVE_LOCAL is set.
    force_local = bool(os.environ.get("FLUX_URI_RESOLVE_LOCAL"))

    def __init__(self, uri: str, remote_hostname: str | None = None) -> None:
        super().__init__(uri)
        if not self.scheme:
            raise ValueError(
                f"JobURI '{uri}' does not have a valid scheme; expected local://PATH or ssh://HOST/PATH"
            )
        while "//" in self.path:
            self.path = self.path.replace("//", "/")
        self.remote_hostname = remote_hostname

    @property
    def remote(self) -> str:
        """The URI for use from another host. Raises ValueError for other schemes than local and ssh."""
        if self.scheme == "local":
            return f"ssh://{self.remote_hostname or os.uname().nodename}{self.path}"
        return self._ssh("remote")

    @property
    def local(self) -> str:
        """The URI for use on the instance's own host. Raises ValueError as ``remote`` does."""
        if self.scheme == "local":
            return self.uri
        self._ssh("local")
        return f"local://{self.path}"

    @property
    def near(self) -> str:
        """The URI for use from this host, where the instance's own socket serves without ssh."""
        here = self.scheme == "ssh" and self.netloc in ("", os.uname().nodename)
        return self.local if here else str(self)

    def _ssh(self, what: str) -> str:
        if self.scheme != "ssh":
            raise ValueError(f"Cannot convert JobURI with scheme {self.scheme} to {what}")
        return self.uri

    def __str__(self) -> str:
        return self.local if self.force_local else self.uri
