# SPDX-License-Identifier: LGPL-3.0-or-later
"""The form in which a call gets to its job, and its outcome back: pure, but for the file's owner.

A call is a file of its job (RFC 37): a line of JSON, then the pickle, or nothing if the line names the keys
of the KVS that have it. What comes back are events (RFC 18) in the log :data:`LOG` of the job.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin import _base64, _json
from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The file of the call, in the job's directory.
FILE = "rosin-call"
#: The key of the log, in the job's part of the KVS.
LOG = "rosin-call"
#: Before the keys of an outcome that no event has room for, in the job's part of the KVS.
KEY = "rosin-result"
#: Bytes of a pickle that a jobspec, or an event, carries itself.
INLINE = 128 << 10
#: Bytes of a value in the KVS.
PART = 8 << 20


class StoredPickle(NamedTuple):
    """Where a long pickle is: keys of a namespace, and what they must give together."""

    namespace: str
    key: str
    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes, namespace: str, key: str) -> StoredPickle:
        """Where *data* is going to be."""
        return cls(namespace, key, len(data), _digest(data))

    @classmethod
    def decode(cls, obj: Any) -> StoredPickle:
        """The inverse of ``list(stored)``. Raises FormatError."""
        if not isinstance(obj, list) or [type(item) for item in obj] != [str, str, int, str]:
            raise FormatError("malformed reference to a call")
        return cls(*obj)

    def names(self) -> list[str]:
        """The keys, in order."""
        return [f"{self.key}.{number}" for number in range(-(-self.size // PART))]

    def joined(self, parts: Iterable[bytes]) -> bytes:
        """The pickle of its parts. Raises FormatError if it is not what was stored."""
        data = b"".join(parts)
        if (len(data), _digest(data)) != (self.size, self.sha256):
            raise FormatError(f"{self.key}: this is not what was stored there")
        return data


def _digest(data: bytes) -> str:
    import hashlib  # few calls are long

    return hashlib.sha256(data).hexdigest()


def parts(data: bytes) -> Iterator[bytes]:
    """The values that are stored of a long pickle."""
    return (data[start : start + PART] for start in range(0, len(data), PART))


class ShippedCall(NamedTuple):
    """A call: its pickle, or where that is; where modules are; the program's file; what it is called."""

    data: bytes | StoredPickle
    path: list[str]
    main: str
    name: str

    def encode(self) -> bytes:
        """The content of the file."""
        inline = isinstance(self.data, bytes)
        stored = None if isinstance(self.data, bytes) else list(self.data)
        head = {"version": 1, "path": self.path, "main": self.main, "name": self.name, "stored": stored}
        return _json.dumps(head) + b"\n" + (self.data if inline else b"")  # type: ignore[operator]

    @classmethod
    def decode(cls, content: bytes) -> ShippedCall:
        """The inverse of :meth:`encode`. Raises FormatError."""
        line, _, data = content.partition(b"\n")
        head = _json.loads(line)
        if not isinstance(head, dict) or head.get("version") != 1:
            raise FormatError("the file of the call is not one of this version of Rosin")
        stored = head["stored"]
        return cls(
            data if stored is None else StoredPickle.decode(stored), head["path"], head["main"], head["name"]
        )


def search_path() -> list[str]:
    """Where this program finds modules, as its jobs shall."""
    return [os.path.abspath(entry or os.curdir) for entry in sys.path]


def read_own(path: str) -> bytes:
    """The content of a file that only this user can have written. Raises PermissionError, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise PermissionError(f"{path}: it is not a file of this user that nobody else may open")
        return file.read()


def context_data(data: bytes | StoredPickle) -> dict[str, Any]:
    """How an event has the data of an outcome."""
    return {"data": _base64.encode(data)} if isinstance(data, bytes) else {"stored": list(data)}


def data_of(context: dict[str, Any]) -> bytes | StoredPickle:
    """The inverse of :func:`context_data`. Raises FormatError."""
    if "stored" in context:
        return StoredPickle.decode(context["stored"])
    text = context.get("data")
    if not isinstance(text, str):
        raise FormatError("an outcome without data")
    try:
        return _base64.decode(text)
    except ValueError as exc:
        raise FormatError(f"malformed data of an outcome: {exc}") from None
