# SPDX-License-Identifier: LGPL-3.0-or-later
"""Process managers with PMIx, such as ``srun --mpi=pmix`` and Open MPI's, by their client library.

Structures are those of PMIx 2 to 5. A value belongs to the process that has put it.
"""

from __future__ import annotations

import ctypes
import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.overlay.bootstrap.library import checked, load
from rosin.broker.overlay.bootstrap.space import Unavailable
from rosin.broker.overlay.bootstrap.thread import LibraryThread
from rosin.rfc.pmi import MAPPING_KEY
from rosin.rfc.taskmap import TaskMap

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIBRARY = "libpmix.so.2"
_GLOBAL = 3
_BOOL, _STRING, _UINT32 = 1, 3, 14
_ANY_RANK = 0xFFFFFFFE
_JOB_SIZE, _MAPPING, _NODE = b"pmix.job.size", b"pmix.anlmap", b"pmix.nodeid"
_COLLECT, _OPTIONAL = b"pmix.collect", b"pmix.optional"


class _Data(ctypes.Union):
    _fields_ = (
        ("flag", ctypes.c_bool),
        ("string", ctypes.c_char_p),
        ("uint32", ctypes.c_uint32),
        ("space", ctypes.c_uint64 * 3),
    )


class _Value(ctypes.Structure):
    _fields_ = (("type", ctypes.c_uint16), ("data", _Data))


class _Process(ctypes.Structure):
    _fields_ = (("nspace", ctypes.c_char * 256), ("rank", ctypes.c_uint32))


class _Info(ctypes.Structure):
    _fields_ = (("key", ctypes.c_char * 512), ("flags", ctypes.c_uint32), ("value", _Value))


def _flag(key: bytes) -> _Info:
    return _Info(key, 0, _Value(_BOOL, _Data(flag=True)))


class Pmix:
    """A :class:`~rosin.broker.overlay.bootstrap.space.Space` by the PMIx library."""

    method = "pmix"

    def __init__(self, path: str | None, environ: Mapping[str, str], library: Any = None) -> None:
        """Raises Unavailable if there is no library, or no server."""
        self._pmix = load(_LIBRARY, path, environ) if library is None else library
        self._me = _Process()
        code = self._pmix.PMIx_Init(ctypes.byref(self._me), None, ctypes.c_size_t(0))
        if code:
            raise Unavailable(f"PMIx_Init: error {code}")
        size = self._told(_ANY_RANK, _JOB_SIZE, _UINT32)
        if size is None:
            raise OSError(errno.EPROTO, "the PMIx server does not say how many processes there are")
        self.rank, self.size = checked(self._me.rank, size)
        self._thread = LibraryThread()

    async def begin(self) -> str:
        return str(self._me.nspace.decode(errors="replace"))

    async def put(self, key: str, value: str) -> None:
        word, text = key.encode(), value.encode()
        put = _Value(_STRING, _Data(string=text))
        await self._ask("Put", ctypes.c_uint8(_GLOBAL), word, ctypes.byref(put))

    async def get(self, key: str, rank: int | None = None) -> str | None:
        word = key.encode()
        if key == MAPPING_KEY:
            found = await self._thread.run(self._mapping)
        elif rank is None:
            found = await self._thread.run(lambda: self._told(_ANY_RANK, word, _STRING))
        else:
            found = await self._thread.run(lambda: self._get(rank, word, _STRING))
        return None if found is None else str(found.decode(errors="replace"))

    async def barrier(self) -> None:
        collect = _flag(_COLLECT)
        await self._ask("Commit")
        await self._ask("Fence", None, ctypes.c_size_t(0), ctypes.byref(collect), ctypes.c_size_t(1))

    async def abort(self, code: int, text: str) -> None:
        await self._ask("Abort", ctypes.c_int(code), text.encode(), None, ctypes.c_size_t(0))

    async def finish(self) -> None:
        await self._ask("Finalize", None, ctypes.c_size_t(0))
        self.close()

    def close(self) -> None:
        self._thread.close()

    async def _ask(self, function: str, *arguments: object) -> None:
        code = await self._thread.run(lambda: getattr(self._pmix, f"PMIx_{function}")(*arguments))
        if code:
            raise OSError(errno.EIO, f"PMIx_{function}: error {code}")

    def _mapping(self) -> bytes | None:
        """Which process is on which node: Slurm says it as RFC 13 has it, Open MPI process by process."""
        text = self._told(_ANY_RANK, _MAPPING, _STRING)
        if text is not None:
            return bytes(text)
        nodes = [self._told(rank, _NODE, _UINT32) for rank in range(self.size)]
        if None in nodes:
            return None
        mapping = TaskMap()
        for node in nodes:
            mapping.append(node, 1, 1)
        return mapping.encode_pmi().encode()

    def _told(self, rank: int, key: bytes, kind: int) -> Any:
        """A value of this type that the server has given to this process: nobody is waited for."""
        optional = _flag(_OPTIONAL)
        return self._get(rank, key, kind, ctypes.byref(optional), 1)

    def _get(self, rank: int, key: bytes, kind: int, options: object = None, count: int = 0) -> Any:
        owner = _Process(self._me.nspace, rank)
        found = ctypes.POINTER(_Value)()
        code = self._pmix.PMIx_Get(
            ctypes.byref(owner), key, options, ctypes.c_size_t(count), ctypes.byref(found)
        )
        if code or not found:
            return None
        value = found.contents  # the library's; a broker asks few times, and it may keep them
        if value.type != kind:
            return None
        return value.data.string if kind == _STRING else value.data.uint32
