# SPDX-License-Identifier: LGPL-3.0-or-later
"""The audit log: who has done what, from where, and what came of it, a JSON object a line.

No query, header or body is in it, so no secret is; what a client has written is escaped and not as long as it
likes. A file that has been moved away is begun anew.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import Scope

    from rosin.rest.auth.identity import Identity

_LONGEST = 512
#: Refusals that are told of requests which only look, too.
_REFUSED = frozenset({401, 403, 421, 429})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

#: The key of a scope under which a route says what else has happened, such as ``login``.
EVENT = "rosin.event"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class AuditLog:
    """A file to which lines are added. Raises OSError if it cannot be opened."""

    def __init__(self, path: str, clock: Callable[[], str] = _now) -> None:
        self._path = path
        self._clock = clock
        self._fd = -1
        self._file: tuple[int, int] | None = None
        self._failed = False
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self._path, flags, 0o600)
        if self._fd >= 0:
            os.close(self._fd)
        about = os.fstat(fd)
        self._fd, self._file = fd, (about.st_dev, about.st_ino)

    def request(self, scope: Scope, status: int) -> None:
        """Tell of a request that changed something, signed somebody in, or was refused."""
        method, event = scope.get("method", "WEBSOCKET"), scope.get(EVENT)
        if method in _SAFE and status not in _REFUSED and event is None:
            return
        identity: Identity | None = scope.get("rosin.identity")
        entry: dict[str, Any] = {
            "time": self._clock(),
            "user": None if identity is None else identity.name,
            "role": None if identity is None else identity.role,
            "via": None if identity is None else identity.via,
            "from": scope.get("rosin.address"),
            "method": method[:_LONGEST],
            "path": scope["path"][:_LONGEST],
            "status": status,
        }
        if event is not None:
            entry["event"] = event
        self.write(entry)

    def write(self, entry: dict[str, Any]) -> None:
        """Add a line. What cannot be written is told once on standard error: the server goes on."""
        line = json.dumps(entry, ensure_ascii=True).encode() + b"\n"
        try:
            self._reopen()
            if os.write(self._fd, line) < len(line):
                raise OSError("no space left")
            self._failed = False
        except OSError as exc:
            if not self._failed:
                sys.stderr.write(f"rosin-serve: ERROR: audit log {self._path}: {exc.strerror or exc}\n")
                sys.stderr.flush()
            self._failed = True

    def _reopen(self) -> None:
        try:
            about = os.stat(self._path)
            if (about.st_dev, about.st_ino) == self._file:
                return
        except FileNotFoundError:
            pass
        self._open()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
        self._fd = -1
