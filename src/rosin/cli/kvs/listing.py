# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin kvs dir`` and ``ls``: list directories."""

from __future__ import annotations

import errno
import os
import sys

from rosin.cli import terminal
from rosin.cli.base import connect, reason
from rosin.cli.subcommands import about
from rosin.constants import FLUX_KVS_READDIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from typing import Any

    from rosin.cli.subcommands import AdminParser
    from rosin.handle.flux import Flux

_DIRECTORIES = ("dir", "dirref")
_DOTS = len("...")


def add_commands(parser: AdminParser) -> None:
    """Add the subcommands to the parser of ``kvs``."""
    sub = parser.command("dir", _dir, "print the keys of a directory with their values")
    sub.namespace()
    sub.flag("-R", "--recursive", text="print the directories in it too")
    sub.flag("-d", "--directory", text="print no values")
    sub.add_argument(
        "-w", "--width", metavar="N", type=int, help="cut values that exceed N columns; 0: do not"
    )
    sub.add_argument("-a", "--at", metavar="TREEOBJ", help="read a snapshot: a dirref object, from getroot")
    sub.add_argument("key", metavar="KEY", nargs="?", default=".", help="directory (default: the root)")
    sub = parser.command("ls", _ls, "list keys and directories")
    sub.namespace()
    sub.flag("-R", "--recursive", text="list the directories in it too")
    sub.flag("-d", "--directory", text="list directories themselves, not what is in them")
    sub.add_argument("-w", "--width", metavar="N", type=int, help="columns of the output; 0: no limit")
    sub.flag("-1", "--1", text="one name per line")
    sub.flag("-F", "--classify", text="append . to directories and @ to links")
    sub.add_argument("key", metavar="KEY", nargs="*", default=["."], help="keys (default: the root)")


def _width(asked: int | None, otherwise: int) -> int:
    """Columns to use, 0 for no limit: as asked, of the terminal, as ``COLUMNS`` says, or ``otherwise``."""
    if asked is not None and asked >= 0:
        return asked
    if sys.stdout.isatty():
        return terminal.columns(sys.stdout.fileno())
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isascii() and given.isdigit() else otherwise


def _join(directory: str, name: str) -> str:
    return name if directory == "." else f"{directory}.{name}"


def _entries(h: Flux, key: str, args: argparse.Namespace) -> list[tuple[str, Any]]:
    """The entries of a directory by name."""
    from rosin.kvs.lookup import lookup_async

    at = getattr(args, "at", None)
    return sorted(lookup_async(h, key, args.namespace, FLUX_KVS_READDIR, at).get()["val"]["data"].items())


def _dir(args: argparse.Namespace) -> None:
    from rosin.cli.kvs.get import check_snapshot

    check_snapshot(args.at)
    with connect() as h:
        # Whoever reads this from a pipe wants whole lines.
        _print_dir(h, args.key.rstrip(".") or ".", args, _width(args.width, sys.maxsize))


def _print_dir(h: Flux, key: str, args: argparse.Namespace, width: int) -> None:
    from rosin.kvs.lookup import lookup_async

    def entries(key: str) -> Iterator[tuple[str, Any]]:
        with about(key):
            return iter([(_join(key, name), obj) for name, obj in _entries(h, key, args)])

    below = [entries(key)]  # the directories that the walk is in, not a call for each: a tree may be deep
    while below:
        path, obj = next(below[-1], ("", None))
        if obj is None:
            below.pop()
        elif obj["type"] == "symlink":
            from rosin.cli.kvs.get import link_text

            print(f"{path} -> {link_text(obj['data'])}")
        elif obj["type"] in _DIRECTORIES:
            if args.recursive:
                below.append(entries(path))
            else:
                print(f"{path}.")
        elif args.directory:
            print(path)
        else:
            if obj["type"] == "valref":
                with about(path):
                    obj = lookup_async(h, path, args.namespace, 0, args.at).get()["val"]
            print(value_line(path, obj, width))


def value_line(path: str, obj: Any, width: int) -> str:
    """``KEY = VALUE`` on one line, cut to ``width`` columns, or whole if that is 0."""
    from rosin.rfc.treeobj import val_data

    text = val_data(obj).decode(errors="surrogateescape")
    if width <= _DOTS:  # no room for anything but the dots
        return f"{path} = {text}"
    line = f"{path} = {text}"
    # As flux-core, which keeps room for the dots whether they are needed or not.
    start, _, rest = line[: width - _DOTS].partition("\n")
    return f"{start}..." if rest or len(line) > width - _DOTS else start


def columns(names: Iterable[str], width: int, longest: int) -> str:
    """Names in columns, filled line by line as far as ``width`` allows (0: one line).

    ``longest``: length of the longest name without its mark, which sets the width of all columns.
    """
    items = list(names)
    if not items:
        return ""
    column = longest + 4
    per_line = len(items) if width <= 0 else max(width // column, 1)
    rows = (items[start : start + per_line] for start in range(0, len(items), per_line))
    return "".join("".join(f"{name:<{column}}" for name in row).rstrip(" ") + "\n" for row in rows)


class _Lister:
    """The output of ``ls``: first the values, then each directory with a heading if there are several."""

    def __init__(self, h: Flux, args: argparse.Namespace) -> None:
        self.h = h
        self.args = args
        self.width = 1 if getattr(args, "1") else _width(args.width, 80)
        self.titles = args.recursive or len(args.key) > 1
        self.printed = False

    def run(self) -> int:
        values, directories, failed = [], [], False
        for key in self.args.key:
            name = key.rstrip(".") or key[:1]
            try:
                obj = self._lookup(name, key != name)
                if obj["type"] in _DIRECTORIES and not self.args.directory:
                    directories.append(name)
                else:
                    values.append((name + (self._mark(obj) if name != "." else ""), ""))
            except OSError as exc:
                sys.stdout.flush()
                sys.stderr.write(f"{name}: {reason(exc).removeprefix(f'{name}: ')}\n")
                failed = True
        self._print(sorted(values))
        for key in sorted(directories):
            self._directory(key)
        return 1 if failed else 0

    def _lookup(self, key: str, as_directory: bool) -> Any:
        """What is shown for a key: a link leads on, unless links themselves are asked for."""
        from rosin.kvs.lookup import lookup_treeobj

        obj = lookup_treeobj(self.h, key, self.args.namespace)
        if as_directory and obj["type"] not in _DIRECTORIES:
            raise OSError(errno.ENOTDIR, "Not a directory")
        if obj["type"] == "symlink" and not (self.args.classify or self.args.directory):
            return self._behind(key) or obj
        return obj

    def _behind(self, key: str) -> Any:
        """A directory that a link leads to, None for a value or nothing. Raises OSError (ELOOP, ENOTSUP)."""
        from rosin.kvs.lookup import lookup_async

        try:
            return lookup_async(self.h, key, self.args.namespace, FLUX_KVS_READDIR).get()["val"]
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
            return None

    def _mark(self, obj: Any) -> str:
        if not self.args.classify:
            return ""
        return "." if obj["type"] in _DIRECTORIES else "@" if obj["type"] == "symlink" else ""

    def _print(self, names: list[tuple[str, str]]) -> None:
        if names:
            longest = max(len(name) for name, _ in names)
            sys.stdout.write(columns([name + mark for name, mark in names], self.width, longest))
            self.printed = True

    def _directory(self, key: str) -> None:
        todo = [key]
        while todo:
            key = todo.pop()
            with about(key):
                entries = _entries(self.h, key, self.args)
            if self.titles:
                sys.stdout.write(f"{chr(10) if self.printed else ''}{key}:\n")
                self.printed = True
            self._print([(name, self._mark(obj)) for name, obj in entries])
            if self.args.recursive:
                below = [_join(key, name) for name, obj in entries if obj["type"] in _DIRECTORIES]
                todo += reversed(below)


def _ls(args: argparse.Namespace) -> int:
    with connect() as h:
        return _Lister(h, args).run()
