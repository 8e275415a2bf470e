# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: the rules that the entries of an archive keep, each by itself and all together.

Faults are FormatError, which names the entry.
"""

from __future__ import annotations

from rosin import _base64
from rosin.errors import FormatError
from rosin.rfc import blobref
from rosin.rfc.archive.entry import BASE64, BLOBVEC, UTF8, Entry, shown
from rosin.rfc.payload import describe

ENCODINGS = (UTF8, BASE64, BLOBVEC)

#: Largest size of a file in bytes.
MAX_SIZE = (1 << 63) - 1
_MAX_PATH = 4095


def clean_path(path: str) -> str:
    """Return *path* without ``.`` and empty components; "" is the directory of the archive itself.

    FormatError: it is absolute, has a ``..`` or a NUL, or is too long: it could lead anywhere.
    """
    if path.startswith("/"):
        raise FormatError(f"archive: {describe(path)} is an absolute path")
    if "\0" in path or len(path) > _MAX_PATH:
        raise FormatError(f"archive: {describe(path)} is not a path")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise FormatError(f"archive: {describe(path)} leads out of the archive: it has '..'")
    return "/".join(parts)


def check_name(clean: str, path: str) -> None:
    """Check what is left of *path* in its clean form."""
    if not clean:
        raise FormatError(f"archive: {describe(path)} names no file")
    if not _is_text(clean):
        raise FormatError(f"archive: {describe(path)} is not valid Unicode text")


def check(entry: Entry, path: str) -> None:
    """Check an entry apart from its path, as which *path* is shown."""
    if entry.is_file:
        fault = _file_fault(entry)
    elif entry.is_directory:
        fault = _extra(entry, "a directory", ("size", "encoding", "data"))
    elif entry.is_symlink:
        fault = _extra(entry, "a symbolic link", ("size", "encoding"))
        target = entry.data
        if not fault and (type(target) is not str or not target or "\0" in target or not _is_text(target)):
            fault = f"data: expected the target of a symbolic link, got {describe(target)}"
    else:
        fault = f"mode: {entry.mode:#o} is no file, directory or symbolic link"
    if fault:
        raise FormatError(f"archive: {shown(path)}: {fault}")


def _extra(entry: Entry, what: str, keys: tuple[str, ...]) -> str | None:
    present = [key for key in keys if getattr(entry, key) is not None]
    return f"{present[0]}: {what} has none" if present else None


def _file_fault(entry: Entry) -> str | None:
    data, encoding = entry.data, entry.encoding
    if entry.size is not None and entry.size < 0:
        return f"size: expected an integer of 0 or more, got {entry.size}"
    if encoding is None:
        if data is None:
            return None if entry.size is not None else "size: a file without data needs one"
        return _extra(entry, "JSON content", ("size",))
    if encoding not in ENCODINGS:
        return f"encoding: expected {', '.join(ENCODINGS)}, got {describe(encoding)}"
    if encoding == BLOBVEC:
        return _blobvec_fault(entry)
    if type(data) is not str:
        return f"data: expected a string, got {describe(data)}"
    try:
        length = len(data.encode() if encoding == UTF8 else _base64.decode(data))
    except ValueError:
        return f"data: not {encoding} text"
    if entry.size is not None and entry.size < length:
        return f"size: {entry.size} is less than the {length} bytes of the data"
    return None


def _blobvec_fault(entry: Entry) -> str | None:
    if type(entry.data) is not list:
        return f"data: expected an array of regions, got {describe(entry.data)}"
    if entry.size is None:
        return "size: a file of blobs needs one"
    end = 0
    for number, region in enumerate(entry.data):
        if type(region) is not list or len(region) != 3:
            return f"data[{number}]: expected [offset, size, blobref], got {describe(region)}"
        offset, size, ref = region
        if type(offset) is not int or type(size) is not int or size < 1:
            return f"data[{number}]: expected an offset and a size"
        if offset < end:
            return f"data[{number}]: begins at {offset}, before the end of the region before"
        end = offset + size
        if end > entry.size:
            return f"data[{number}]: ends at {end}, beyond the size {entry.size}"
        if not blobref.is_valid(ref):
            return f"data[{number}]: invalid blobref {describe(ref)}"
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_set(entries: list[Entry]) -> list[Entry]:
    """Check that no path is there twice and that nothing is below what is no directory."""
    paths = {entry.path for entry in entries}
    if len(paths) < len(entries):
        seen: set[str] = set()
        for entry in entries:
            if entry.path in seen:
                raise FormatError(f"archive: {shown(entry.path)} is there twice")
            seen.add(entry.path)
    # In this order what is below an entry follows it at once.
    ordered = sorted([(entry.path.replace("/", "\0"), entry) for entry in entries], key=lambda pair: pair[0])
    above: Entry | None = None
    prefix = ""
    for key, entry in ordered:
        if above is not None and key.startswith(prefix):
            what = "a symbolic link" if above.is_symlink else "a file"
            raise FormatError(f"archive: {shown(entry.path)} is below {shown(above.path)}, which is {what}")
        if not entry.is_directory:
            above, prefix = entry, key + "\0"
    return entries
