# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which broker to talk to: ``FLUX_URI`` and the places a broker's socket is found without it."""

from __future__ import annotations

import os

#: The socket of a system instance, where flux-core looks without FLUX_URI.
SYSTEM_SOCKET = "/run/flux/local"


def user_directory() -> str:
    """Where each instance of the user leaves a link to its socket, named by the broker's process id."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return os.path.join(runtime, "rosin") if runtime else f"/tmp/rosin-{os.getuid()}"


def user_socket() -> str | None:
    """The link of the user's newest running instance, None if none runs."""
    directory = user_directory()
    try:
        # A directory of someone else could lead to their broker.
        if os.lstat(directory).st_uid != os.getuid():
            return None
        links = sorted(os.scandir(directory), key=lambda entry: -entry.stat(follow_symlinks=False).st_ctime)
    except OSError:
        return None
    for link in links:
        if link.name.isdigit() and os.path.exists(link.path) and _runs(int(link.name)):
            return link.path
    return None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def default_uri() -> str:
    """``FLUX_URI``, else the system instance, else the user's newest instance."""
    uri = os.environ.get("FLUX_URI")
    if uri:
        return uri
    path = None if os.path.exists(SYSTEM_SOCKET) else user_socket()
    return "local://" + (path or SYSTEM_SOCKET)


def not_found(path: str) -> str:
    """What to say when there is no socket; it begins as flux-core's text does, which programs look for."""
    return (
        f"Unable to connect to Flux: broker socket {path} was not found; "
        "start an instance with 'rosin start', or name one with FLUX_URI"
    )


def local_path(uri: str) -> str:
    """The socket path of a ``local://`` URI. Raises ValueError for any other scheme."""
    scheme, sep, path = uri.partition("://")
    if not sep:
        raise ValueError(f"'{uri}' is not a URI; expected local://PATH")
    if scheme != "local":
        raise ValueError(f"'{scheme}' is not a connector of this version; expected local://PATH")
    return path
