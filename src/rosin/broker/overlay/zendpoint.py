# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where brokers meet: addresses of ZeroMQ."""

from __future__ import annotations

import errno
import os
import socket


def check(uri: str) -> None:
    """Raise OSError (EINVAL) if brokers do not meet at an address of this kind."""
    scheme, _, where = uri.partition("://")
    if scheme not in ("tcp", "ipc") or not where or "\0" in where:
        raise OSError(
            errno.EINVAL,
            f"overlay: '{uri}' is not an address of a broker, such as tcp://192.168.1.2:8050 or ipc:///run/tbon-0",
        )


def remove(uri: str) -> None:
    """Remove the file of an ``ipc`` address that is no longer listened at."""
    path = uri.removeprefix("ipc://")
    if path.startswith("/"):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass


def shut_down(fd: int, uris: list[str]) -> None:
    """End the connection that has this descriptor, if it is one of a socket that listens at ``uris``."""
    try:
        with socket.socket(fileno=os.dup(fd)) as connection:
            name = connection.getsockname()
            if connection.family == socket.AF_UNIX:
                ours = f"ipc://{name if isinstance(name, str) else '@' + name[1:].decode()}" in uris
            else:
                ours = any(uri.endswith(f":{name[1]}") for uri in uris)
            if ours:
                connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended itself
        pass
