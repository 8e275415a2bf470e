# SPDX-License-Identifier: LGPL-3.0-or-later
"""Directories of the KVS as mappings."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_KVS_READDIR
from rosin.kvs.lookup import exists, get_key_direct, lookup_async
from rosin.kvs.txn import KVSTxn

if TYPE_CHECKING:
    from types import TracebackType

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


class KVSDir(MutableMapping[str, Any]):
    """A directory as it was when the object was made, and a transaction for changes to it.

    Reading an item reads its current value; a directory comes as a KVSDir that shares this transaction. As a
    context manager it commits at the end. Raises OSError when *path* is no directory.
    """

    def __init__(
        self,
        flux_handle: Handle | None = None,
        path: str = ".",
        handle: Any = None,
        namespace: str | None = None,
        _kvstxn: KVSTxn | None = None,
    ) -> None:
        if flux_handle is None:
            raise ValueError("KVSDir: flux_handle must be a Flux handle")
        self.fhdl = flux_handle
        self.path = path
        self._path = "" if not path or path == "." else path if path[-1] == "." else path + "."
        self.namespace = namespace
        if handle is None:
            handle = lookup_async(flux_handle, path, namespace, FLUX_KVS_READDIR).get()["val"]
        self._entries: dict[str, Any] = handle["data"]
        self.kvstxn = _kvstxn or KVSTxn(flux_handle, ".", namespace)

    def commit(self, flags: int = 0) -> None:
        """Commit the changes made through this object. Raises OSError."""
        self.kvstxn.commit(flags)

    def commit_async(self, flags: int = 0) -> RPC:
        """Send the commit; the response is ``{"rootref", "rootseq"}``."""
        return self.kvstxn.commit_async(flags)

    def key_at(self, key: str) -> str:
        """The full key of the entry *key*."""
        return self._path + key

    def exists(self, name: str) -> bool:
        """Whether the entry *name* exists now."""
        return exists(self.fhdl, self._path + name, self.namespace)

    def _isdir(self, name: str) -> bool:
        return self._entries[name]["type"] in ("dir", "dirref")

    def __getitem__(self, key: str) -> Any:
        try:
            return get(self.fhdl, self.key_at(key), self.namespace, self.kvstxn)
        except OSError as error:
            raise KeyError(f"{key} not found under directory {self.path}: {error.strerror}") from None

    def __setitem__(self, key: str, value: Any) -> None:
        self.kvstxn.put(self._path + key, value)

    def __delitem__(self, key: str) -> None:
        self.kvstxn.unlink(self._path + key)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def fill(self, contents: Mapping[str, Any]) -> None:
        """Set every key of *contents* below this directory and commit; dicts become JSON values."""
        if contents is None:
            raise ValueError("contents must be non-None")
        try:
            self.update(contents)
        finally:
            self.commit()

    def mkdir(self, key: str, contents: Mapping[str, Any] | None = None) -> None:
        """Make the directory *key*, commit, and fill it with *contents*."""
        self.kvstxn.mkdir(self._path + key)
        self.commit()
        if contents is not None:
            KVSDir(self.fhdl, self._path + key, namespace=self.namespace).fill(contents)

    def files(self) -> Iterator[str]:
        """Names of entries that are no directories."""
        return (name for name in self if not self._isdir(name))

    def directories(self) -> Iterator[str]:
        """Names of entries that are directories."""
        return (name for name in self if self._isdir(name))

    def list_all(self) -> tuple[list[str], list[str]]:
        """Names of files and of directories."""
        return list(self.files()), list(self.directories())

    def __enter__(self) -> KVSDir:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.commit()


def get_dir(
    flux_handle: Handle, key: str = ".", namespace: str | None = None, _kvstxn: KVSTxn | None = None
) -> KVSDir:
    """The directory *key*. Raises OSError (ENOENT, ENOTDIR)."""
    return KVSDir(flux_handle, key, namespace=namespace, _kvstxn=_kvstxn)


def get(flux_handle: Handle, key: str, namespace: str | None = None, _kvstxn: KVSTxn | None = None) -> Any:
    """The value of *key*: JSON decoded, else text, else bytes; a KVSDir if it is a directory.

    Raises OSError (ENOENT).
    """
    try:
        return get_key_direct(flux_handle, key, namespace)
    except OSError as error:
        if error.errno != errno.EISDIR:
            raise
    return get_dir(flux_handle, key, namespace, _kvstxn)


def join(*args: str) -> str:
    """Join parts of a key with dots, leaving out empty ones."""
    return ".".join([part for part in args if part])


def walk(
    directory: str | KVSDir,
    topdown: bool = False,
    flux_handle: Handle | None = None,
    namespace: str | None = None,
) -> Iterator[tuple[str, Iterator[str], Iterator[str]]]:
    """Like os.walk: (key below *directory*, names of directories, names of files) of each directory.

    *flux_handle* is needed when *directory* is a key.
    """
    if not isinstance(directory, KVSDir):
        if flux_handle is None:
            raise ValueError("If directory is a key, flux_handle must be specified")
        directory = KVSDir(flux_handle, directory, namespace=namespace)
    return _walk(directory, "", topdown, namespace)


def _walk(
    directory: KVSDir, path: str, topdown: bool, namespace: str | None
) -> Iterator[tuple[str, Iterator[str], Iterator[str]]]:
    # The directories that the walk is in: a call for each would limit how deep a tree may be.
    inside = [(directory, path, directory.directories())]
    if topdown:
        yield path, directory.directories(), directory.files()
    while inside:
        directory, path, names = inside[-1]
        name = next(names, None)
        if name is not None:
            below = get_dir(directory.fhdl, directory.key_at(name), namespace)
            inside.append((below, join(path, name), below.directories()))
            if topdown:
                yield join(path, name), below.directories(), below.files()
            continue
        inside.pop()
        if not topdown:
            yield path, directory.directories(), directory.files()
