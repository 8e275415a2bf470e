# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where a server is, and who asks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from rosin import _base64

DEFAULT = "http://127.0.0.1:5000"
_MOST = 1 << 16


@dataclass(frozen=True)
class ServerPlace:
    """An address: ``http://HOST:PORT``, ``https://HOST:PORT`` or ``unix:PATH``; and an Authorization header.

    ``cafile``: certificates to trust instead of the system's.
    """

    host: str
    port: int
    tls: bool = False
    path: str | None = None
    authorization: str | None = None
    cafile: str | None = None

    @property
    def name(self) -> str:
        """The Host header."""
        if self.path is not None:
            return "localhost"
        usual = 443 if self.tls else 80
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == usual else f"{host}:{self.port}"


def place_of(
    url: str | None = None,
    token: str | None = None,
    user: str | None = None,
    password: str | None = None,
    cafile: str | None = None,
) -> ServerPlace:
    """What arguments and environment say: ROSIN_URL, ROSIN_TOKEN, ROSIN_TOKEN_FILE, ROSIN_CAFILE.

    Raises ValueError and OSError.
    """
    text = url or os.environ.get("ROSIN_URL") or DEFAULT
    if token is None and password is None:
        token = _token()
    authorization = None
    if password is not None:
        authorization = "Basic " + _base64.encode(f"{user or ''}:{password}".encode())
    elif token is not None:
        authorization = f"Bearer {token}"
    cafile = cafile or os.environ.get("ROSIN_CAFILE") or None
    if text.startswith("unix:"):
        path = unquote(text.removeprefix("unix:").removeprefix("//"))
        return ServerPlace("localhost", 80, path=path, authorization=authorization)
    parts = urlsplit(text)
    expected = "expected http://HOST:PORT, https://HOST:PORT or unix:PATH"
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"'{text[:200]}': {expected}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"'{text[:200]}': {expected}")
    if parts.username is not None:
        raise ValueError(f"'{parts.scheme}://...@{parts.hostname}': a password is not part of an address")
    tls = parts.scheme == "https"
    return ServerPlace(
        parts.hostname, port or (443 if tls else 80), tls, authorization=authorization, cafile=cafile
    )


def _token() -> str | None:
    token, path = os.environ.get("ROSIN_TOKEN"), os.environ.get("ROSIN_TOKEN_FILE")
    if token or not path:
        return token or None
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read(_MOST).strip() or None
    except OSError as exc:
        raise OSError(exc.errno, f"ROSIN_TOKEN_FILE: {path}: {exc.strerror}") from None
