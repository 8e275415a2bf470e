# SPDX-License-Identifier: LGPL-3.0-or-later
"""Taking over what zygotes keep whose master was killed (:mod:`rosin.process.keeping` is the other side)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin import _json
from rosin.errors import FormatError
from rosin.process.directory import open_private, socket_path
from rosin.process.frames import ZygoteReader
from rosin.process.keeping import VERSION
from rosin.process.spawned import Spawned
from rosin.process.zygote import Zygote
from rosin.rfc.payload import field, int_field, list_field

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds in which a zygote is to answer.
PATIENCE = 5.0


class KeptProcess(NamedTuple):
    """A process of another master: ``keep`` says what it is, ``outputs`` are the ends to read from."""

    spawned: Spawned
    zygote: Zygote
    keep: Any
    outputs: dict[str, int]


def take_over(directory: str, report: Callable[[str], None]) -> list[KeptProcess]:
    """The processes that are kept for a master that knows this directory; it is theirs from now on.

    What a zygote has to answer is waited for. ``report(text)`` is told what cannot be taken over, and why.
    """
    try:
        os.close(open_private(directory, create=False))
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        report(f"{directory}: {error.strerror}")
        return []
    found: list[KeptProcess] = []
    for name in names:
        path = f"{directory}/{name}"
        try:
            found += _ask(path)
        except (ConnectionError, FileNotFoundError):
            with contextlib.suppress(OSError):
                os.unlink(path)  # it has ended, or ends
        except (OSError, FormatError, _json.JSONDecodeError) as error:
            report(
                f"processes kept at {path} are not taken over: {getattr(error, 'strerror', None) or error}"
            )
    return found


def _ask(path: str) -> list[KeptProcess]:
    """What one zygote keeps. Raises OSError and FormatError."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    reader = ZygoteReader(sock)
    taken: list[tuple[dict[str, Any], list[int]]] = []
    try:
        with socket_path(path) as short:
            sock.connect(short)
        frames = _receive(reader)
        head: dict[str, Any] = next(frames, ({}, []))[0]
        if not head:
            raise ConnectionResetError(errno.ECONNRESET, "it has ended")
        version = int_field(head, "version", 0, 1 << 30)
        if version != VERSION:
            raise FormatError(
                f"they are kept by another version of Rosin ({version}, this one has {VERSION})"
            )
        taken += (next(frames) for _ in range(int_field(head, "kept", 0, 1 << 20)))
        zygote = Zygote(sock, 0)
        processes = [_process(zygote, frame, fds) for frame, fds in taken]
    except BaseException as error:
        for fd in (fd for _, fds in taken for fd in fds):
            os.close(fd)
        reader.close()
        sock.close()
        if isinstance(error, RuntimeError):  # what a StopIteration within a generator becomes
            raise ConnectionResetError(errno.ECONNRESET, "it has ended") from None
        raise
    zygote.part()
    return processes


def _receive(reader: ZygoteReader) -> Any:
    while not reader.eof:
        yield from reader.receive()


def _process(zygote: Zygote, frame: dict[str, Any], fds: list[int]) -> KeptProcess:
    status = field(frame, "status", (int, type(None)))
    spawned = zygote.adopt(int_field(frame, "id", 1, 1 << 62), int_field(frame, "pid", 1, 1 << 31), status)
    outputs = dict(zip(list_field(frame, "held", str, []), fds, strict=True))
    return KeptProcess(spawned, zygote, frame.get("keep"), outputs)
