# SPDX-License-Identifier: LGPL-3.0-or-later
"""The code of all modules that an instance needs, in one file beside their .pyc.

An instance imports some 500 modules, and Python looks for each in a directory, opens and reads it: a tenth of
the time that a start takes. The first start that ends writes what it has read into one file, from which the
next ones take it. A module whose source is not what it was then is imported as usual, and so is everything
when the file is missing, is another Python's, or has been copied from elsewhere.
"""

from __future__ import annotations

import marshal
import mmap
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader  # importlib.util takes 2 ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))
_PATH = os.path.join(_HERE, "__pycache__", f"start.{sys.implementation.cache_tag}.code")
#: Of a .pyc: the magic number, flags, and of the source the time and the size (PEP 552).
_HEADER = 16
#: What a file begins with: how to read it, and for whom and where it was written.
_LENGTH = 8
#: Share of modules that had to be looked for elsewhere from which a new file is worth its writing.
_STALE = 0.05

#: Of a module: whether it is a package, time and size of its source, where its code is and how long.
Entry = tuple[bool, int, int, int, int]


class _Loader(SourceFileLoader):
    """A module's code from the file of a finder; everything else as usual."""

    def __init__(self, name: str, path: str, finder: Finder) -> None:
        super().__init__(name, path)
        self._finder = finder

    def get_code(self, fullname: str) -> CodeType | None:
        try:
            return self._finder.code(fullname)
        except (
            ValueError,
            EOFError,
            TypeError,
        ):  # the machine lost its power before the file was on the disk
            return super().get_code(fullname)


class Finder:
    """Finds modules in the file of code; on ``sys.meta_path``. ``path`` is that of the file."""

    def __init__(self, path: str = _PATH, root: str = _HERE) -> None:
        self._path = path
        self._root = root
        self._index: dict[str, Entry] = {}
        self._data: mmap.mmap | bytes = b""
        self.missed = 0

    def open(self) -> None:
        """Read the index of the file, if there is one that is ours."""
        try:
            with open(self._path, "rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            length = int.from_bytes(self._data[:_LENGTH], "little")
            mark, root, index = marshal.loads(self._data[_LENGTH : _LENGTH + length])
        except (OSError, ValueError, EOFError, TypeError):
            return
        if (mark, root) == (self._mark(), self._root):
            self._index = index

    @staticmethod
    def _mark() -> bytes:
        return MAGIC_NUMBER + bytes([sys.flags.optimize])

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See :class:`importlib.abc.MetaPathFinder`."""
        entry = self._index.get(name)
        if entry is None:
            self.missed += name.startswith("rosin.")
            return None
        package, mtime, size, _, _ = entry
        source = self._source(name, package)
        try:
            found = os.stat(source)
        except OSError:
            return None
        if (int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF) != (mtime, size):
            self.missed += 1
            return None
        spec = ModuleSpec(name, _Loader(name, source, self), origin=source, is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [os.path.dirname(source)]
        return spec

    def _source(self, name: str, package: bool) -> str:
        words = name.split(".")[1:]
        return (
            os.path.join(self._root, *words, "__init__.py")
            if package
            else os.path.join(self._root, *words) + ".py"
        )

    def code(self, name: str) -> CodeType:
        """The code of a module that was found."""
        _, _, _, start, length = self._index[name]
        code: CodeType = marshal.loads(self._data[start : start + length])
        return code

    def keep(self) -> None:
        """Write the file anew, of what this process has imported, unless nearly all of it is there."""
        names = [name for name in sys.modules if name.startswith("rosin.")]
        if sys.dont_write_bytecode or self.missed <= len(names) * _STALE:
            return
        index: dict[str, Entry] = {}
        codes: list[bytes] = []
        end = 0
        for name in names:
            spec = sys.modules[name].__spec__
            if spec is None or spec.origin is None:
                continue
            package = spec.submodule_search_locations is not None
            if spec.origin != self._source(name, package):
                continue
            compiled = _compiled(spec.origin)
            if compiled is not None:
                code = compiled[_HEADER:]
                mtime, size = (int.from_bytes(compiled[at : at + 4], "little") for at in (8, 12))
                index[name] = package, mtime, size, end, len(code)
                codes.append(code)
                end += len(code)
        self._write(index, codes)

    def _write(self, index: dict[str, Entry], codes: list[bytes]) -> None:
        head = marshal.dumps((self._mark(), self._root, index))
        # Where code begins depends on how long the index is, which depends on where code begins.
        while True:
            begin = _LENGTH + len(head)
            moved = {name: (*entry[:3], entry[3] + begin, entry[4]) for name, entry in index.items()}
            head = marshal.dumps((self._mark(), self._root, moved))
            if _LENGTH + len(head) == begin:
                break
        temporary = f"{self._path}.{os.getpid()}"
        try:
            with open(temporary, "xb") as file:
                file.write(len(head).to_bytes(_LENGTH, "little") + head + b"".join(codes))
            os.replace(temporary, self._path)
        except OSError:  # a directory of somebody else's, or a full disk: imports are slower, no more
            _remove(temporary)


def _compiled(source: str) -> bytes | None:
    """A module's .pyc, if it is one that tells time and size of its source, and they are those."""
    directory, name = os.path.split(source)
    tag = f".opt-{sys.flags.optimize}" if sys.flags.optimize else ""
    path = os.path.join(directory, "__pycache__", f"{name[:-3]}.{sys.implementation.cache_tag}{tag}.pyc")
    try:
        with open(path, "rb") as file:
            data = file.read()
        found = os.stat(source)
    except OSError:
        return None
    fresh = data[8:16] == b"".join(
        (int(value) & 0xFFFFFFFF).to_bytes(4, "little") for value in (found.st_mtime, found.st_size)
    )
    return data if data[:_HEADER][:8] == MAGIC_NUMBER + bytes(4) and fresh else None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


#: That of this process.
finder = Finder()


def install() -> None:
    """Take the modules that are imported from now on from the file."""
    finder.open()
    sys.meta_path.insert(0, finder)
