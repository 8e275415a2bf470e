# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: archives of files, directories and symbolic links as JSON.

An archive is an array of objects with a ``path`` each, or an object of such objects by path. :func:`decode`
checks everything that can be checked without a file system, so that what it returns may be extracted
without looking at paths again: no absolute path, no ``..``, no path twice, nothing below a file or a
symbolic link of the same archive. :mod:`rosin.archive` reads and writes the files.
"""

from __future__ import annotations

from stat import S_IFDIR, S_IFLNK, S_IFREG

from rosin import _base64, _json
from rosin.errors import FormatError
from rosin.rfc.archive.entry import BASE64, BLOBVEC, JSON_NULL, UTF8, Entry, shown
from rosin.rfc.archive.rules import MAX_SIZE, check, check_name, checked_set, clean_path
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rosin.rfc.archive.entry import Region


# -- making entries -------------------------------------------------------------------------------


def directory(
    path: str, permissions: int = 0o755, mtime: int | None = None, ctime: int | None = None
) -> Entry:
    """A directory; FormatError: an unsafe *path*."""
    return _checked(Entry(path, S_IFDIR | permissions, mtime=mtime, ctime=ctime))


def symlink(path: str, target: str, mtime: int | None = None, ctime: int | None = None) -> Entry:
    """A symbolic link. FormatError: an unsafe *path*, or an empty *target*. The target may be anywhere."""
    return _checked(Entry(path, S_IFLNK | 0o777, target, mtime=mtime, ctime=ctime))


def file(
    path: str, content: bytes, permissions: int = 0o644, mtime: int | None = None, ctime: int | None = None
) -> Entry:
    """A regular file with its content in place: as text when it is UTF-8, else as base64.

    Text with a NUL is base64, too, for flux-core does not extract it otherwise.
    """
    data, encoding = None, None
    if content:
        try:
            data, encoding = content.decode(), UTF8
        except UnicodeDecodeError:
            pass
        if data is None or "\0" in data:
            data, encoding = _base64.encode(content), BASE64
    return _checked(
        Entry(path, S_IFREG | permissions, data, encoding, len(content), mtime=mtime, ctime=ctime)
    )


def json_file(
    path: str, content: Any, permissions: int = 0o644, mtime: int | None = None, ctime: int | None = None
) -> Entry:
    """A regular file whose content is the JSON value *content*, written anew where it is extracted."""
    return _checked(
        Entry(
            path, S_IFREG | permissions, JSON_NULL if content is None else content, mtime=mtime, ctime=ctime
        )
    )


def blobvec(
    path: str,
    size: int,
    regions: Iterable[Region],
    permissions: int = 0o644,
    mtime: int | None = None,
    ctime: int | None = None,
) -> Entry:
    """A regular file of *size* bytes, the data of which are blobs; what is between regions is a hole.

    Without regions it is all hole. FormatError: regions that overlap, are out of order or beyond *size*."""
    data = [list(region) for region in regions]
    mode = S_IFREG | permissions
    return _checked(
        Entry(path, mode, data or None, BLOBVEC if data else None, size, mtime=mtime, ctime=ctime)
    )


def encode(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return the archive as an array. FormatError: what :func:`decode` would refuse."""
    return [entry.encode() for entry in checked_set(list(entries))]


def encode_dict(entries: Iterable[Entry]) -> dict[str, dict[str, Any]]:
    """Return the archive as an object by path, as jobspecs hold it. FormatError as for :func:`encode`."""
    return {entry.path: entry.encode(with_path=False) for entry in checked_set(list(entries))}


# -- decoding -------------------------------------------------------------------------------------


def decode(archive: Any) -> list[Entry]:
    """Check an archive and return its entries in order. FormatError names the entry.

    *archive* is the decoded JSON. Components ``.`` and empty ones, which flux-core's archives have
    (``./a``), are dropped from paths; an entry for the directory itself (``.``) is left out.
    """
    if type(archive) is list:
        return checked_set([entry for i, obj in enumerate(archive) if (entry := _entry(f"[{i}]", obj, None))])
    if type(archive) is dict:
        return checked_set([entry for path, obj in archive.items() if (entry := _entry(path, obj, path))])
    raise FormatError(f"archive: expected an array or an object, got {describe(archive)}")


def decode_text(text: str | bytes) -> list[Entry]:
    """Decode an archive from its JSON text. Raises FormatError."""
    try:
        archive = _json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"archive: not valid JSON: {error}") from None
    return decode(archive)


def _entry(where: str, obj: Any, path: str | None) -> Entry | None:
    if type(obj) is not dict:
        raise FormatError(f"archive: {shown(where)}: expected an object, got {describe(obj)}")
    if path is None:
        path = obj.get("path")
        if type(path) is not str or not path:
            raise FormatError(f"archive: {where}.path: expected a path, got {describe(path)}")
    elif "path" in obj:
        raise FormatError(f"archive: {shown(where)}: there is a path inside of an object by path")
    clean = clean_path(path)
    name = shown(path)
    mode = obj.get("mode")
    if type(mode) is not int or not 0 <= mode <= 0xFFFFFFFF:
        raise FormatError(f"archive: {name}: mode: expected a file mode, got {describe(mode)}")
    for key in ("mtime", "ctime", "size"):
        value = obj.get(key)
        if value is not None and (type(value) is not int or not -MAX_SIZE <= value <= MAX_SIZE):
            raise FormatError(f"archive: {name}: {key}: expected an integer, got {describe(value)}")
    data = obj.get("data")
    if data is None and "data" in obj:
        data = JSON_NULL
    new = Entry(clean, mode, data, obj.get("encoding"), obj.get("size"), obj.get("mtime"), obj.get("ctime"))
    check(new, path)
    if clean or not new.is_directory:
        check_name(clean, path)
        return new
    return None


def _checked(entry: Entry) -> Entry:
    if clean_path(entry.path) != entry.path:
        raise FormatError(f"archive: {describe(entry.path)} has '.' or empty components")
    check_name(entry.path, entry.path)
    check(entry, entry.path)
    return entry
