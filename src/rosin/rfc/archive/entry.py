# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: what an archive holds, a file, directory or symbolic link each."""

from __future__ import annotations

from stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

from rosin import _base64, _json
from rosin.errors import FormatError
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Region = tuple[int, int, str]

UTF8 = "utf-8"
BASE64 = "base64"
BLOBVEC = "blobvec"


class Entry:
    """One file system object.

    Attributes:
        path: relative, without ``.``, ``..`` and empty components.
        mode: type and permissions, as ``st_mode`` of stat(2).
        mtime, ctime: seconds since the epoch, or None.
        size: bytes of a regular file; None for JSON content and for other types.
        encoding: ``utf-8``, ``base64``, ``blobvec``, or None.
        data: as in the archive; None is no data, :data:`JSON_NULL` the JSON content ``null``.
    """

    __slots__ = ("ctime", "data", "encoding", "mode", "mtime", "path", "size")

    def __init__(
        self,
        path: str,
        mode: int,
        data: Any = None,
        encoding: str | None = None,
        size: int | None = None,
        mtime: int | None = None,
        ctime: int | None = None,
    ) -> None:
        self.path = path
        self.mode = mode
        self.data = data
        self.encoding = encoding
        self.size = size
        self.mtime = mtime
        self.ctime = ctime

    @property
    def is_file(self) -> bool:
        """It is a regular file."""
        return S_IFMT(self.mode) == S_IFREG

    @property
    def is_directory(self) -> bool:
        """It is a directory."""
        return S_IFMT(self.mode) == S_IFDIR

    @property
    def is_symlink(self) -> bool:
        """It is a symbolic link."""
        return S_IFMT(self.mode) == S_IFLNK

    @property
    def permissions(self) -> int:
        """The permission bits of the mode."""
        return self.mode & 0o7777

    @property
    def length(self) -> int:
        """The number of bytes of a file; 0 for what is none."""
        if not self.is_file:
            return 0
        return len(self.content()) if self.size is None else self.size

    def line(self) -> str:
        """Type, mode, length and path, for people."""
        kind = "d" if self.is_directory else "l" if self.is_symlink else "f"
        return f"{kind} 0{self.permissions:o} {self.length:>8} {self.path}"

    def regions(self) -> list[Region]:
        """Return (offset, size, blobref) of a file whose content is in the content store, in order."""
        return [tuple(region) for region in self.data] if self.encoding == BLOBVEC else []

    def content(self) -> bytes:
        """Return the bytes of a file that the archive itself holds, none for a hole; JSON content compactly.

        FormatError: the content is elsewhere (``blobvec``), or this is no file."""
        if not self.is_file or self.encoding == BLOBVEC:
            raise FormatError(f"archive: {shown(self.path)}: the content is not in the archive")
        if self.encoding == UTF8:
            return self.data.encode()  # type: ignore[no-any-return]
        if self.encoding == BASE64:
            return _base64.decode(self.data)
        if self.data is None:
            return b""
        return _json.dumps(None if self.data is JSON_NULL else self.data)

    def encode(self, with_path: bool = True) -> dict[str, Any]:
        """Return the object for an archive; without the path for one that is an object by path."""
        obj: dict[str, Any] = {"path": self.path} if with_path else {}
        for key in ("encoding", "data", "size", "mtime", "ctime", "mode"):
            value = getattr(self, key)
            if value is not None:
                obj[key] = None if value is JSON_NULL else value
        return obj

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Entry({self.path!r}, {self.mode:#o})"


class _JsonNull:
    __slots__ = ()

    def __repr__(self) -> str:
        return "JSON_NULL"


#: ``data`` of a file with the JSON content ``null``, which is not a file without data.
JSON_NULL = _JsonNull()


def shown(path: str) -> str:
    """A path for an error text of one line."""
    return path if len(path) <= 80 and path.isprintable() else describe(path)
