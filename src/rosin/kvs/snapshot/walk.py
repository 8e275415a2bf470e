# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 11: visiting all that a root reference reaches, with several blobs on their way at a time.

The functions serve every kind of handle.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.errors import FormatError
from rosin.rfc import blobref, treeobj

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC
    from rosin.rfc.treeobj import TreeObj

    #: Asks for a blob, or something about it.
    Ask = Callable[[bytes], RPC]


def loader(flux_handle: Handle, no_cache: bool = False) -> Ask:
    """What asks for blobs: the content service or, with *no_cache*, the backing store itself."""
    if no_cache:
        return lambda digest: flux_handle.rpc("content-backing.load", digest, nodeid=0)
    return lambda digest: flux_handle.rpc("content.load", digest)


class Visit(NamedTuple):
    """An object at a place in the tree.

    *names*: those of the directories on the way and its own, none for the root. *obj*: the object that the
    directory above holds. *blobs*: what was answered for each blob of a ``valref``. *directory*: that of a
    ``dirref``, whose entries are visited later; *fault*: why there is none.
    """

    names: tuple[str, ...]
    obj: TreeObj
    blobs: Sequence[bytes | OSError] = ()
    directory: TreeObj | None = None
    fault: OSError | FormatError | None = None


class _Flight:
    """An object whose blobs have been asked for, some of them at least."""

    __slots__ = ("_ask", "_coming", "_left", "names", "obj")

    def __init__(self, names: tuple[str, ...], obj: TreeObj, ask: Ask, window: int) -> None:
        self.names = names
        self.obj = obj
        self._ask = ask
        self._left = iter(obj["data"])
        self._coming: deque[RPC] = deque()
        for _ in range(window):
            self._next()

    def _next(self) -> None:
        ref = next(self._left, None)
        if ref is not None:
            self._coming.append(self._ask(blobref.parse(ref)[1]))

    async def blobs(self) -> list[bytes | OSError]:
        """All that is answered."""
        found: list[bytes | OSError] = []
        while self._coming:
            try:
                found.append(await self._coming.popleft().raw())
            except OSError as error:
                found.append(error)
            self._next()
        return found


class Walk:
    """The objects that a root reference reaches, each directory before its entries.

    *load* asks for directories, *value* for the blobs of values; without it they are not asked for.
    Directories in *seen* are visited but not entered; those that are entered are added to it. At most
    *window* objects are on their way at a time, and so many blobs of each.
    """

    def __init__(
        self, load: Ask, value: Ask | None, *, window: int = 2, seen: set[str] | None = None
    ) -> None:
        self._load = load
        self._value = value
        self._window = window
        self._seen = seen
        self._todo: list[tuple[tuple[str, ...], TreeObj]] = []

    async def visit(self, root: str) -> AsyncIterator[Visit]:
        """Visit all that *root*, a blobref, reaches. FormatError: it is none."""
        self._todo = [((), treeobj.dirref(root))]
        flying: deque[_Flight] = deque()
        while self._todo or flying:
            while self._todo and len(flying) < self._window:
                names, obj = self._todo.pop()
                ask = self._ask(obj)
                if ask is not None:
                    flying.append(_Flight(names, obj, ask, self._window))
                    continue
                if obj["type"] == "dir":
                    self._enter(names, obj)
                yield Visit(names, obj)
            if flying:
                yield await self._landed(flying.popleft())

    def _ask(self, obj: TreeObj) -> Ask | None:
        """Who has the blobs of an object. None: nobody is to be asked for them."""
        if obj["type"] == "valref":
            return self._value
        if obj["type"] != "dirref":
            return None
        if self._seen is not None:
            ref = obj["data"][0]
            if ref in self._seen:
                return None
            self._seen.add(ref)
        return self._load

    async def _landed(self, flight: _Flight) -> Visit:
        blobs = await flight.blobs()
        if flight.obj["type"] == "valref":
            return Visit(flight.names, flight.obj, blobs)
        try:
            directory = _directory(blobs[0])
        except (OSError, FormatError) as error:
            return Visit(flight.names, flight.obj, fault=error)
        self._enter(flight.names, directory)
        return Visit(flight.names, flight.obj, directory=directory)

    def _enter(self, names: tuple[str, ...], directory: TreeObj) -> None:
        entries: dict[str, Any] = directory["data"]
        self._todo += [((*names, name), entries[name]) for name in sorted(entries, reverse=True)]


def _directory(blob: bytes | OSError) -> TreeObj:
    if isinstance(blob, OSError):
        raise blob
    obj = treeobj.decode(blob)
    if obj["type"] != "dir":
        raise FormatError(f"expected a directory, got a {obj['type']}")
    return obj


def cause(fault: OSError | FormatError) -> str:
    """What is wrong with a blob, in words."""
    if isinstance(fault, OSError):
        return "missing" if fault.errno == errno.ENOENT else str(fault.strerror)
    return str(fault)
