# SPDX-License-Identifier: LGPL-3.0-or-later
"""The file by which the user's other sessions find this instance (see ``rosin.handle.registry``)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.handle.registry import directories
from rosin.process.directory import open_private

if TYPE_CHECKING:
    from rosin.broker.attrs import Attributes


def record(attrs: Attributes, command: list[str]) -> dict[str, Any]:
    """What is said of an instance whose initial program is *command*."""
    names = attrs.names()
    program = "no initial program" if "broker.rc2_none" in names else " ".join(command)
    return {
        "uri": attrs.value("local-uri"),
        "started": float(attrs.value("broker.starttime")),
        "size": int(attrs.value("size")),
        "program": program or "interactive shell",
        "nested": "parent-uri" in names,
    }


class Registration:
    """``record``: uri, started, size, program, nested."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._record = record
        self._fds: list[int] = []
        self._path: str | None = None

    def place(self) -> str | None:
        """Write and lock the file; returns why that is impossible. FLUX_URI works without it."""
        fault = ""
        for directory in directories():
            try:
                fd = open_private(directory)
            except OSError as exc:
                fault = fault or str(exc.strerror)
                continue
            try:
                self._write(directory)
            except OSError as exc:
                os.close(fd)
                fault = f"{directory}: {exc.strerror}"
                continue
            # A lock on the directory keeps those away who clear old files out of /tmp.
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self._fds.append(fd)
            return None
        return f"{fault}: commands in other sessions find this instance by FLUX_URI only"

    def _write(self, directory: str) -> None:
        path = f"{directory}/{os.getpid()}"
        new = f"{directory}/.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            # Locked before it has its name: what has the name and no lock is dead.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(fd, _json.dumps(self._record))
            os.rename(new, path)
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
        self._fds.append(fd)
        self._path = path

    def remove(self) -> None:
        """Remove the file, if there is one."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._path = None
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()
