# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin archive`` and ``filemap``: files in the key-value store, for all nodes of an instance (RFC 37)."""

from __future__ import annotations

import errno
import os
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rosin.cli.arguments import SUPPRESS
from rosin.cli.base import connect, duration, optional_argument
from rosin.cli.subcommands import AdminParser, about, dispatch
from rosin.kvs.txn import KVSTxn
from rosin.rfc import archive, blobref, treeobj

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from rosin.handle.flux import Flux
    from rosin.rfc.archive import Entry

_DEPRECATED = "filemap is deprecated: use archive instead"
#: What stands for no limit of the size of blobs.
_UNLIMITED = 1 << 62


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    if prog.endswith("-filemap"):
        result = AdminParser(prog, "Use archive instead: map, unmap, get and list are its older names.")
        _create(result.command("map", _map, "create an archive whose large files stay where they are"))
        _remove(result.command("unmap", _old(_run_remove), "remove an archive"))
        _extract(result.command("get", _old(_run_extract), "extract an archive"))
        _list(result.command("list", _old(_run_list), "list the files of an archive"))
        return result
    result = AdminParser(
        prog, "Keep files in the key-value store, where each node of an instance finds them."
    )
    _create(result.command("create", _run_create, "make an archive of files and directories"))
    _extract(result.command("extract", _run_extract, "write the files of an archive"))
    _list(result.command("list", _run_list, "list the files of an archive"))
    _remove(result.command("remove", _run_remove, "remove an archive"))
    return result


def _name(sub: AdminParser) -> None:
    sub.add_argument("-n", "--name", metavar="NAME", default="main", help="name of the archive (main)")
    sub.add_argument("-T", "--tags", metavar="NAME", dest="name", help=SUPPRESS)
    sub.flag("--no-force-primary", text="use the namespace of FLUX_KVS_NAMESPACE, not the primary one")


def _verbose(sub: AdminParser, text: str) -> None:
    add = sub.add_argument
    add("-v", "--verbose", type=int, metavar="LEVEL", **optional_argument(1), default=0, help=text)


def _create(sub: AdminParser) -> None:
    _name(sub)
    sub.add_argument("-C", "--directory", metavar="DIR", help="go to this directory first")
    _verbose(sub, "print the names of files")
    sub.flag("--overwrite", text="replace an archive of this name")
    sub.flag("--append", text="add to an archive of this name")
    sub.flag("--preserve", text="keep the contents of large files when garbage is collected")
    sub.flag("--mmap", text="leave large files where they are, and do not change them (on rank 0)")
    add = sub.add_argument
    add("--chunksize", metavar="SIZE", default="1M", help="largest blob, 0: no limit (1M)")
    add(
        "--small-file-threshold", metavar="SIZE", default="1K", help="files up to this size are in place (1K)"
    )
    sub.add_argument("--disable-mmap", action="store_true", help=SUPPRESS)
    add("paths", metavar="PATH", nargs="+", help="files, and directories with all that is in them")


def _extract(sub: AdminParser) -> None:
    _name(sub)
    _verbose(sub, "print the names of files on standard error; with --list-only: mode and size")
    sub.add_argument("-C", "--directory", metavar="DIR", default=".", help="write files below this directory")
    sub.flag("--overwrite", text="replace files that are there")
    add = sub.add_argument
    add(
        "--waitcreate",
        metavar="FSD",
        type=duration,
        **optional_argument(float("inf")),
        help="wait (at most so long) until there is such an archive",
    )
    sub.flag("-t", "--list-only", text="print the names of files, and write none")
    _pattern(sub)


def _pattern(sub: AdminParser) -> None:
    sub.add_argument("pattern", metavar="PATTERN", nargs="?", help="only files that a shell pattern fits")


def _list(sub: AdminParser) -> None:
    _name(sub)
    sub.flag("-l", "--long", text="print type, mode and size, too")
    sub.flag("--raw", text="print the RFC 37 objects as JSON")
    _pattern(sub)


def _remove(sub: AdminParser) -> None:
    _name(sub)
    sub.flag("-f", "--force", text="there need not be such an archive")


def _old(run: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """A command of ``filemap``."""

    def warned(args: argparse.Namespace) -> None:
        sys.stderr.write(f"{args.prog}: {_DEPRECATED}\n")
        run(args)

    return warned


def _map(args: argparse.Namespace) -> None:
    args.mmap = not args.disable_mmap
    _old(_run_create)(args)


# -- the archive in the KVS -----------------------------------------------------------------------


def _key(args: argparse.Namespace) -> str:
    return f"archive.{args.name}"


def _namespace(args: argparse.Namespace) -> str | None:
    return None if args.no_force_primary else "primary"


def _lookup(h: Flux, args: argparse.Namespace, wait: float | None = None) -> list[dict[str, Any]]:
    """The archive as an array. Raises OSError; ValueError: there is no archive in time, or it is none."""
    from rosin.constants import FLUX_KVS_WAITCREATE
    from rosin.kvs.lookup import decode_value, lookup_async

    flags = 0 if wait is None else FLUX_KVS_WAITCREATE
    future = lookup_async(h, _key(args), _namespace(args), flags)
    if wait is not None and wait != float("inf"):
        try:
            future.wait_for(wait)
        except TimeoutError:
            raise ValueError(f"{_key(args)}: key was not created within timeout window") from None
    with about(f"KVS lookup {_key(args)}"):
        found = decode_value(future.get())
    if not isinstance(found, list):
        raise ValueError(f"{_key(args)} is no archive")
    return found


def _remove_keys(h: Flux, args: argparse.Namespace) -> None:
    """Remove the archive, and the map of its files. Raises OSError."""
    with KVSTxn(h, namespace=_namespace(args)) as txn:
        txn.unlink(_key(args))
        txn.unlink(f"{_key(args)}_blobs")
    with about(f"unmap {args.name}"):
        h.rpc("content.mmap-remove", {"tag": args.name}, 0).get()


def _matching(entries: list[Entry], pattern: str | None, prog: str) -> list[Entry]:
    if pattern is None:
        return entries
    found = [entry for entry in entries if fnmatchcase(entry.path, pattern.removeprefix("./"))]
    if not found:
        sys.stderr.write(f"{prog}: No files matched pattern '{pattern}'\n")
    return found


def _line(entry: Entry, long: bool) -> str:
    return entry.line() if long else entry.path


# -- the commands ---------------------------------------------------------------------------------


class Creation:
    """One run of ``archive create``: what becomes of the contents of large files."""

    def __init__(self, h: Flux, args: argparse.Namespace) -> None:
        self._h = h
        self._args = args
        self._algo = h.attr_get("content.hash")
        self._chunksize = _bytes("--chunksize", args.chunksize)
        self._small = _bytes("--small-file-threshold", args.small_file_threshold)
        self._kept: list[str] = []

    def run(self) -> None:
        """Make the archive. Raises OSError and ValueError."""
        args = self._args
        present = self._present()
        entries: dict[str, Entry] = {}
        for path in args.paths:
            for entry in self._below(path):
                entries[entry.path] = entry
                if args.verbose:
                    print(entry.path)
        # What is there already and what is new must make one archive.
        new = archive.encode(entries.values())
        archive.decode([*present, *new])
        with KVSTxn(self._h, namespace=_namespace(args)) as txn:
            for number, ref in enumerate(self._kept, self._next_kept() if present else 0):
                txn.put_treeobj(f"{_key(args)}_blobs.{number}", treeobj.valref([ref]))
            txn.put(_key(args), [*present, *new])

    def _present(self) -> list[dict[str, Any]]:
        """The archive of this name that is added to; one that is replaced goes first."""
        args = self._args
        if args.overwrite:
            _remove_keys(self._h, args)
            return []
        try:
            present = _lookup(self._h, args)
        except FileNotFoundError:
            return []
        if not args.append:
            raise FileExistsError(
                errno.EEXIST, f"{_key(args)}: key exists: --overwrite or --append say what to do"
            )
        return present

    def _next_kept(self) -> int:
        """The number that no blob has which has been kept for this archive."""
        from rosin.kvs.directory import get_dir

        try:
            names = list(get_dir(self._h, f"{_key(self._args)}_blobs", _namespace(self._args)))
        except FileNotFoundError:
            return 0
        return 1 + max((int(name) for name in names if name.isdecimal()), default=-1)

    def _below(self, path: str) -> list[Entry]:
        """The entries of a path that was given, relative or absolute."""
        from rosin.archive.create import create

        root, below = ("/", path.lstrip("/")) if path.startswith("/") else (".", path)
        os.lstat(path)
        try:
            entries = create(root, [below], self._store, self._chunksize or _UNLIMITED, self._small)
        except OSError as exc:
            raise OSError(exc.errno, exc.strerror, str(exc.filename or path).removeprefix("./")) from None
        if self._args.mmap:
            for entry in entries:
                if entry.is_file and entry.regions():
                    self._map(os.path.join(root, entry.path))
        return entries

    def _store(self, data: bytes) -> str:
        """Store a blob, or leave it in its file; returns its reference."""
        if self._args.mmap:
            return blobref.from_digest(blobref.digest(data, self._algo), self._algo)
        with about("error storing blob"):
            digest = self._h.rpc("content.store", data or None).get_raw()
        ref = blobref.from_digest(digest, self._algo)
        if self._args.preserve:
            self._kept.append(ref)
        return ref

    def _map(self, path: str) -> None:
        request = {"path": os.path.realpath(path), "chunksize": self._chunksize, "tag": self._args.name}
        self._h.rpc("content.mmap-add", request, 0).get()


def _bytes(option: str, text: str) -> int:
    """The value of an option. Raises ValueError, also for what a signed integer of 32 bits does not hold."""
    from rosin import _size as sizes

    try:
        size = sizes.parse(text)
    except ValueError as exc:
        raise ValueError(f"{option}={text}: {exc}") from None
    if size >= 1 << 31:
        raise ValueError(f"{option}: value {text} too large (must be < 2G)")
    return size


def _run_create(args: argparse.Namespace) -> None:
    if args.overwrite and args.append:
        raise ValueError("--overwrite and --append cannot be used together")
    for option, given in (("--preserve", args.preserve), ("--no-force-primary", args.no_force_primary)):
        if args.mmap and given:
            raise ValueError(f"--mmap cannot work with {option}")
    with connect() as h:
        if args.mmap and h.rank != 0:
            raise ValueError("--mmap only works on the rank 0 broker")
        if args.directory is not None:
            _enter(args.directory)
        Creation(h, args).run()


def _enter(directory: str) -> None:
    with about(f"chdir {directory}"):
        os.chdir(directory)


def _run_remove(args: argparse.Namespace) -> None:
    from rosin.kvs.lookup import exists

    with connect() as h:
        if not args.force and not exists(h, _key(args), _namespace(args)):
            raise FileNotFoundError(errno.ENOENT, f"{_key(args)} does not exist")
        _remove_keys(h, args)


def _run_list(args: argparse.Namespace) -> None:
    from rosin import _json

    with connect() as h:
        entries = archive.decode(_lookup(h, args))
    for entry in _matching(entries, args.pattern, args.prog):
        print(_json.dumps(entry.encode()).decode() if args.raw else _line(entry, args.long))


def _run_extract(args: argparse.Namespace) -> None:
    from rosin.archive.extract import extract

    with connect() as h:
        entries = _matching(archive.decode(_lookup(h, args, args.waitcreate)), args.pattern, args.prog)
        if args.list_only:
            for entry in entries:
                print(_line(entry, args.verbose > 0))
            return
        extract(_named(entries, args.verbose), args.directory, lambda ref: _load(h, ref), args.overwrite)


def _named(entries: list[Entry], verbose: int) -> Iterator[Entry]:
    for entry in entries:
        if verbose:
            sys.stderr.write(f"{entry.path}\n")
        yield entry


def _load(h: Flux, ref: str) -> bytes:
    with about(f"error loading {ref}"):
        return h.rpc("content.load", blobref.parse(ref)[1]).get_raw()


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
