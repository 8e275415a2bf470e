# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client of munged: credentials over its UNIX socket. The messages are :mod:`rosin.rfc.munge`."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from rosin.errors import FormatError
from rosin.rfc import munge
from rosin.rfc.munge import Reply

#: Attempts, should the daemon hang up before it has answered.
_ATTEMPTS = 3


def encode(payload: bytes, path: str = munge.SOCKET, timeout: float = 10.0) -> str:
    """Return a credential of *payload* for the user of this process.

    Raises OSError: the daemon cannot be reached (its errno), does not answer in *timeout* seconds
    (ETIMEDOUT), refuses (EINVAL, with its text), or is no munged (EPROTO).
    """
    kind, body = _ask(lambda retry: munge.encode_request(payload, retry=retry), path, timeout)
    try:
        if kind != munge.ENC_RSP:
            raise FormatError(f"munge: message type {kind} does not answer the request")
        reply = munge.parse_reply(kind, body)
        if reply.status == munge.SUCCESS:
            return munge.credential(reply)
    except FormatError as error:
        raise OSError(errno.EPROTO, str(error)) from None
    raise OSError(errno.EINVAL, f"munge: {reply.error()}")


def decode(credential: str, path: str = munge.SOCKET, timeout: float = 10.0) -> Reply:
    """Have *credential* decoded; the caller looks at the status. Raises OSError as :func:`encode` does, and
    EINVAL for a credential that is no ASCII text."""
    try:
        kind, body = _ask(lambda retry: munge.decode_request(credential, retry), path, timeout)
    except FormatError as error:
        raise OSError(errno.EINVAL, str(error)) from None
    try:
        if kind != munge.DEC_RSP:
            raise FormatError(f"munge: message type {kind} does not answer the request")
        return munge.parse_reply(kind, body)
    except FormatError as error:
        raise OSError(errno.EPROTO, str(error)) from None


def _ask(request: Callable[[int], bytes], path: str, timeout: float) -> tuple[int, bytes]:
    """Send a request and return type and body of the response.

    The daemon knows by the retry count that it may have seen the credential before, and does not call it
    replayed.
    """
    for retry in range(_ATTEMPTS):
        message = request(retry)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
                stream.settimeout(timeout)
                stream.connect(path)
                stream.sendall(message)
                kind, _, length = munge.parse_header(_read(stream, munge.HEADER_SIZE))
                return kind, _read(stream, length)
        except FormatError as error:
            raise OSError(errno.EPROTO, str(error)) from None
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, f"munge: no answer from {path} in {timeout:g}s") from None
        except ConnectionRefusedError as error:
            raise _unreachable(error, path) from None
        except ConnectionError as error:
            failure = error
        except OSError as error:
            raise _unreachable(error, path) from None
    raise OSError(failure.errno or errno.ECONNRESET, f"munge: the daemon at {path} hangs up") from None


def _unreachable(error: OSError, path: str) -> OSError:
    return OSError(error.errno, f"munge: cannot reach the daemon at {path}: {error.strerror} (is munged up?)")


def _read(stream: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        data = stream.recv(size)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "connection closed")
        parts.append(data)
        size -= len(data)
    return b"".join(parts)
