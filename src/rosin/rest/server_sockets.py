# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a server listens on: an address, a UNIX socket, TLS; and what is wrong when it cannot."""

from __future__ import annotations

import errno
import glob
import os
import socket
import ssl
import stat

_LISTENING = "0A"


def tcp_socket(host: str, port: int) -> socket.socket:
    """A listening address. Raises OSError that names it, and who has it."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, proto, _, address = found[0]
        sock = socket.socket(family, kind, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as exc:
        hint = ""
        if exc.errno == errno.EADDRINUSE:
            hint = f"{_by(port)} (choose another --port)"
        elif exc.errno == errno.EACCES:
            hint = " (choose a --port above 1023)"
        elif exc.errno == errno.EADDRNOTAVAIL:
            hint = " (--host is an address of this machine, such as 127.0.0.1 or 0.0.0.0)"
        raise OSError(exc.errno, f"cannot listen on {host}:{port}: {exc.strerror}{hint}") from None
    return sock


def _by(port: int) -> str:
    """Which program listens on a port, where this system lets us know."""
    links = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _inodes(name, port)}
    for path in glob.iglob("/proc/[0-9]*/fd/*") if links else ():
        try:
            if os.readlink(path) in links:
                pid = path.split("/")[2]
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
                    return f" by {ascii(stream.read().strip())[1:-1]} (process {pid})"
        except OSError:
            continue  # another user's, or it has ended
    return ""


def _inodes(name: str, port: int) -> list[str]:
    """The sockets that listen on a port, from a table of proc(5)."""
    try:
        with open(f"/proc/net/{name}", encoding="ascii") as stream:
            rows = [line.split() for line in stream][1:]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def unix_socket(path: str) -> socket.socket:
    """A UNIX socket that only its owner can connect to; one that a dead server left is replaced."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        _check_directory(path)
        _remove_stale(path)
        mask = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
    except OSError as exc:
        sock.close()
        raise OSError(exc.errno, f"cannot listen on {path}: {exc.strerror or exc}") from None
    return sock


def _check_directory(path: str) -> None:
    """Raises OSError for a directory in which anybody can put another socket into this one's place."""
    folder = os.path.dirname(path) or "."
    mode = os.stat(folder).st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise OSError(errno.EPERM, f"everybody can write to {folder}, and so replace it: chmod o-w {folder}")


def _remove_stale(path: str) -> None:
    """Remove the socket that a server of this user has left. Follows no link. Raises OSError for all else."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.EEXIST, "it exists and is not a socket")
    if status.st_uid != os.geteuid():
        raise OSError(errno.EEXIST, "it is the socket of another user")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, "another server listens there")


def tls_context(cert: str, key: str | None) -> ssl.SSLContext:
    """TLS 1.2 and later, with a chain of certificates and its key, which may be in the same file.

    Raises OSError and ValueError that name the option.
    """
    _check_key("--tls-cert" if key is None else "--tls-key", key or cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # nobody is there to be asked for one
    except ssl.SSLError as exc:
        files = cert if key is None else f"{cert} and {key}"
        why = (exc.reason or str(exc)).lower().replace("_", " ")
        raise ValueError(
            f"--tls-cert: expected a chain of certificates and its unencrypted key, in PEM, in {files}: {why}"
        ) from None
    except OSError as exc:
        raise OSError(exc.errno, f"--tls-cert: {cert}: {exc.strerror}") from None
    return context


def _check_key(option: str, path: str) -> None:
    """Raises OSError and ValueError for a key that cannot be read, or that others can."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as exc:
        raise OSError(exc.errno, f"{option}: {path}: {exc.strerror}") from None
    if mode & 0o027:
        raise ValueError(f"{option}: {path} holds a key that others can use: chmod 600 {path}")
