# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which instance a program talks to: the one rule for commands, handles, the REST server and the drop-in.

1. ``FLUX_URI``. Empty is as if it were not set; one that cannot be used is an error that names it.
2. The instance around this process: the nearest of its ancestors that is a broker.
3. The system instance, if there is one: ``/run/flux/local``.
4. The user's only running instance.

With none, or with several, it is an error that says how to start one, or lists them and how to choose.
"""

from __future__ import annotations

import errno
import os

#: How the URI of an instance on another host begins.
SSH = "ssh://"
#: How that of a socket begins that a process has from its broker.
FD = "fd://"
#: The socket of a system instance, where flux-core looks without FLUX_URI.
SYSTEM_SOCKET = "/run/flux/local"


def default_uri() -> str:
    """The URI by the rule above. Raises OSError: EINVAL a bad FLUX_URI, ENOENT none, ENOTUNIQ several."""
    uri = os.environ.get("FLUX_URI")
    if uri:
        try:
            check(uri)
        except ValueError as exc:
            raise OSError(errno.EINVAL, f"Unable to connect to Flux: FLUX_URI: {exc}") from None
        return uri
    from rosin.handle import registry

    running = registry.running()
    around = registry.enclosing(running)
    if around is not None:
        return around.uri
    if os.path.exists(SYSTEM_SOCKET):
        return f"local://{SYSTEM_SOCKET}"
    tops = [instance for instance in running if not instance.nested]
    if len(tops) == 1:
        return tops[0].uri
    if tops:
        raise OSError(errno.ENOTUNIQ, f"Unable to connect to Flux: {registry.choice(tops)}")
    raise OSError(errno.ENOENT, not_found(SYSTEM_SOCKET))


def descriptor(uri: str) -> int:
    """The descriptor of a ``fd://N`` URI. Raises ValueError."""
    number = uri.removeprefix(FD)
    if number == uri or not (number.isascii() and number.isdecimal()):
        raise ValueError(f"FLUX_MODULE_URI={uri}: expected fd://N, as a broker sets it")
    return int(number)


def not_found(path: str) -> str:
    """What to say when there is no socket; it begins as flux-core's text does, which programs look for."""
    text = f"Unable to connect to Flux: broker socket {path} was not found; "
    if os.environ.get("FLUX_URI") == f"local://{path}":
        return text + "the instance that FLUX_URI names has ended: name another one, or unset FLUX_URI"
    return text + "start an instance with 'rosin start', or name one with FLUX_URI"


def check(uri: str) -> None:
    """Raise ValueError unless there is a connector for a URI."""
    if uri.startswith(SSH):
        from rosin.handle import ssh

        ssh.parse(uri)
    else:
        local_path(uri)


def local_path(uri: str) -> str:
    """The socket path of a ``local://`` URI. Raises ValueError for any other scheme."""
    scheme, sep, path = uri.partition("://")
    if not sep:
        raise ValueError(f"'{uri}' is not a URI; expected local://PATH or ssh://HOST/PATH")
    if scheme != "local":
        raise ValueError(
            f"'{scheme}' is not a connector of this version; expected local://PATH or ssh://HOST/PATH"
        )
    if not path or "\0" in path:
        raise ValueError(f"'{uri}' names no socket; expected local://PATH")
    return path
