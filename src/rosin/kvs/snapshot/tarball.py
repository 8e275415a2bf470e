# SPDX-License-Identifier: LGPL-3.0-or-later
"""Archives of key-value stores, as flux-core's ``flux dump`` writes them: tar, by the suffix compressed.

The key ``a.b`` is the file ``a/b``, a symbolic link to a key is one to its text. An empty directory is one,
which flux-core does not write, and passes over.
"""

from __future__ import annotations

import contextlib
import errno
import io
import lzma
import os
import sys
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How a file is compressed, by the end of its name.
COMPRESSION = {
    ".tar": "",
    **dict.fromkeys((".tgz", ".tar.gz"), "gz"),
    **dict.fromkeys((".tbz", ".tbz2", ".tar.bz2"), "bz2"),
    **dict.fromkeys((".txz", ".tar.xz"), "xz"),
}
_MODE = 0o644
#: Bytes in one read of an entry.
_CHUNK = 1 << 20


def compression(path: str) -> str:
    """How a file of this name is compressed: ``""``, ``gz``, ``bz2`` or ``xz``. Raises OSError EINVAL."""
    found = [kind for suffix, kind in COMPRESSION.items() if path.endswith(suffix)]
    if not found:
        known = ", ".join(COMPRESSION)
        raise OSError(
            errno.EINVAL,
            f"No such format '{path}': expected a name that ends with one of {known}, such as kvs.tgz",
        )
    return found[-1]


class ArchiveWriter:
    """An archive that is being written; as a context manager it is complete at the end, or not there.

    *path* ``-`` is standard output. Raises OSError.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._part: str | None = None
        kind = "" if path == "-" else compression(path)
        self._file = self._open()
        mode: Any = f"w|{kind}"
        self._tar = tarfile.open(  # noqa: SIM115
            fileobj=self._file, mode=mode, format=tarfile.PAX_FORMAT, bufsize=_CHUNK
        )

    def _open(self) -> IO[bytes]:
        path = self._path
        if path == "-":
            return sys.stdout.buffer
        try:
            if os.path.exists(path) and not os.path.isfile(path):  # a pipe, or /dev/null
                return open(path, "wb")
            self._part = f"{path}.part"
            fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OSError(error.errno, f"Failed to open '{path}': {error.strerror}") from None
        return os.fdopen(fd, "wb")

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None:
            try:
                self._finish()
                return
            except OSError as error:
                self._discard()
                raise self._failed(error) from None
        self._discard()

    def _finish(self) -> None:
        self._tar.close()
        self._file.flush()
        if self._part is not None:
            os.fsync(self._file.fileno())  # whoever has a dump may remove what it is of
        if self._file is not sys.stdout.buffer:
            self._file.close()
        if self._part is not None:
            os.rename(self._part, self._path)

    def _discard(self) -> None:
        """Nobody may take what has been written for an archive."""
        with contextlib.suppress(OSError):  # what cannot be written is of no use
            stream: Any = self._tar.fileobj
            stream.close()
        if self._part is not None:
            os.unlink(self._part)
            with contextlib.suppress(OSError):
                self._file.close()

    def _failed(self, error: OSError) -> OSError:
        return OSError(error.errno, f"cannot write '{self._path}': {error.strerror or error}")

    def add(self, names: tuple[str, ...], data: bytes, mtime: int, owner: tuple[int, int] = (0, 0)) -> None:
        """Add a value. *mtime*: seconds since the epoch; *owner*: user and group id."""
        entry = self._entry(names, mtime)
        entry.size = len(data)
        entry.uid, entry.gid = owner
        self._write(entry, data)

    def link(self, names: tuple[str, ...], target: str) -> None:
        """Add a symbolic link. *target*: a key, perhaps with its namespace, ``NAMESPACE::KEY``."""
        entry = self._entry(names)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._write(entry)

    def directory(self, names: tuple[str, ...]) -> None:
        """Add an empty directory."""
        entry = self._entry(names)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        self._write(entry)

    def _entry(self, names: tuple[str, ...], mtime: int = 0) -> tarfile.TarInfo:
        entry = tarfile.TarInfo("/".join(names))
        entry.mode, entry.mtime = _MODE, mtime
        return entry

    def _write(self, entry: tarfile.TarInfo, data: bytes | None = None) -> None:
        try:
            self._tar.addfile(entry, None if data is None else io.BytesIO(data))
        except OSError as error:
            raise self._failed(error) from None


class Member(NamedTuple):
    """An entry of an archive: a value, a link (*target*), or a directory that may be empty (neither).

    *size* and *mtime* are what the archive says; *data* reads the value.
    """

    path: str
    size: int = 0
    mtime: int = 0
    target: str | None = None
    data: _Data | None = None


class _Data:
    """The bytes of an entry, to be read before the next one is asked for."""

    def __init__(self, stream: IO[bytes], size: int, path: str) -> None:
        self._stream = stream
        self._size = size
        self._path = path

    def read(self) -> bytes:
        """All of them. OSError EIO: there are fewer."""
        parts, left = [], self._size  # in pieces: a size that the archive claims costs nothing yet
        with _damage(self._path):
            while left and (part := self._stream.read(min(left, _CHUNK))):
                parts.append(part)
                left -= len(part)
            if left:
                raise EOFError("an entry is too short")
        return b"".join(parts)


class _Archive(tarfile.TarFile):
    """Knows whether it has the end that every archive must have."""

    ended = False


class _Header(tarfile.TarInfo):
    """Tells its archive of the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            assert isinstance(archive, _Archive)
            archive.ended = True
            raise


@contextlib.contextmanager
def _damage(path: str) -> Iterator[None]:
    """What reading an archive raises becomes OSError EIO."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise OSError(errno.EIO, f"'{path}' is damaged or cut off: {error}") from None


def members(path: str) -> Iterator[Member]:
    """The entries of an archive; *path* ``-`` is standard input.

    Raises OSError: EINVAL for what is no archive, EIO for one that is damaged or cut off.
    """
    try:
        file = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise OSError(error.errno, f"Failed to open '{path}': {error.strerror}") from None
    with contextlib.ExitStack() as stack:
        if path != "-":
            stack.enter_context(file)
        try:
            tar = stack.enter_context(
                _Archive.open(fileobj=file, mode="r|*", bufsize=_CHUNK, tarinfo=_Header)
            )
        except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
            text = f"Unrecognized archive format: '{path}': {error}: expected tar, perhaps compressed"
            raise OSError(errno.EINVAL, text) from None
        yield from _members(tar, path)


def _members(tar: _Archive, path: str) -> Iterator[Member]:
    while True:
        with _damage(path):
            entry = tar.next()
            if entry is None:
                if not tar.ended:
                    raise EOFError("it has no end")
                return
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
            found = _member(tar, entry, path)
        if found is not None:
            yield found


def _member(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> Member | None:
    if entry.issym():
        return Member(entry.name, mtime=int(entry.mtime), target=entry.linkname)
    if entry.isdir():
        return Member(entry.name)
    stream = tar.extractfile(entry) if entry.isreg() else None
    if stream is None:
        return None
    return Member(entry.name, entry.size, int(entry.mtime), data=_Data(stream, entry.size, path))
