# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which broker to talk to: ``FLUX_URI`` and the places a broker's socket is found without it."""

from __future__ import annotations

import os

#: The socket of a system instance, where flux-core looks without FLUX_URI.
SYSTEM_SOCKET = "/run/flux/local"


def user_socket() -> str:
    """Where the user's own instance leaves a link to its socket, so that other terminals find it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = os.path.join(runtime, "rosin") if runtime else f"/tmp/rosin-{os.getuid()}"
    return os.path.join(base, "local")


def default_uri() -> str:
    """``FLUX_URI``, else the system instance, else the user's own instance if it runs."""
    uri = os.environ.get("FLUX_URI")
    if uri:
        return uri
    if not os.path.exists(SYSTEM_SOCKET):
        link = user_socket()
        # A link in a directory of someone else could lead to their broker.
        if os.path.exists(link) and os.lstat(link).st_uid == os.getuid():
            return "local://" + link
    return "local://" + SYSTEM_SOCKET


def local_path(uri: str) -> str:
    """The socket path of a ``local://`` URI. Raises ValueError for any other scheme."""
    scheme, sep, path = uri.partition("://")
    if not sep:
        raise ValueError(f"'{uri}' is not a URI; expected local://PATH")
    if scheme != "local":
        raise ValueError(f"'{scheme}' is not a connector of this version; expected local://PATH")
    return path
