# SPDX-License-Identifier: LGPL-3.0-or-later
"""Process managers with a client library, ``libpmi.so`` or ``libpmi2.so``, such as Slurm's and Cray's.

Flux's own libraries are refused: who finds them is not in one of its jobs, which would have set PMI_FD.
"""

from __future__ import annotations

import base64
import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.broker.overlay.bootstrap.space import Unavailable
from rosin.broker.overlay.bootstrap.thread import LibraryThread
from rosin.errors import FormatError
from rosin.rfc.pmi import KEY_MAX, MAPPING_KEY, VALUE_MAX, error_name, is_string, is_word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FLUX, _CRAY = "flux_pmi_library", "PMI_CRAY_Get_app_size"
_PMI1 = (
    "Init",
    "Finalize",
    "Get_size",
    "Get_rank",
    "Barrier",
    "KVS_Get_my_name",
    "KVS_Put",
    "KVS_Commit",
    "KVS_Get",
)
_PMI2 = ("Init", "Finalize", "Job_GetId", "KVS_Put", "KVS_Fence", "KVS_Get", "Info_GetJobAttr")
_NAME_SIZE = 1024


def load(name: str, path: str | None, environ: Mapping[str, str]) -> Any:
    """Load a library: this one, else the first in FLUX_PMI_CLIENT_SEARCHPATH, else the system's.

    Raises Unavailable.
    """
    import ctypes

    candidates = [path] if path else [f"{each}/{name}" for each in search_path(environ)] + [name]
    fault = ""
    for candidate in candidates:
        try:
            # Its own plugins look for symbols of it, as Slurm's do.
            return ctypes.CDLL(candidate, ctypes.RTLD_GLOBAL)
        except OSError as exc:
            fault = str(exc)
    raise Unavailable(fault)


def search_path(environ: Mapping[str, str]) -> list[str]:
    """The directories of FLUX_PMI_CLIENT_SEARCHPATH."""
    return [each for each in environ.get("FLUX_PMI_CLIENT_SEARCHPATH", "").split(os.pathsep) if each]


def _functions(library: Any, prefix: str, names: tuple[str, ...], *, foreign: bool) -> dict[str, Any]:
    if foreign and hasattr(library, _FLUX):
        raise Unavailable(f"{library._name} is Flux's own library")
    missing = [name for name in names if not hasattr(library, prefix + name)]
    if missing:
        raise Unavailable(f"{library._name} has no {prefix}{missing[0]}")
    return {name: getattr(library, prefix + name) for name in names}


class _Library:
    """What both have in common. ``begin`` has been called in the library when the object exists.

    Whether there is a process manager shows only then, and its rank and size are known only then.
    """

    prefix = ""

    def __init__(self, library: Any, names: tuple[str, ...], *, foreign: bool) -> None:
        self._call = _functions(library, self.prefix, names, foreign=foreign)
        self._library = library
        self._thread = LibraryThread()
        self._name = b""

    def _first(self, function: str, *arguments: object) -> None:
        """A call at the start: who refuses is not there."""
        code = self._call[function](*arguments)
        if code:
            raise Unavailable(f"{self._library._name}: {self.prefix}{function}: {error_name(code)}")

    async def _ask(self, function: str, *arguments: object) -> None:
        """A call that must succeed."""
        code = await self._thread.run(lambda: self._call[function](*arguments))
        if code:
            raise OSError(errno.EIO, f"{self.prefix}{function}: {error_name(code)}")

    async def _read(self, call: Callable[[Any], int]) -> str | None:
        """The text that a call puts into a buffer; None if it fails."""
        import ctypes

        buffer = ctypes.create_string_buffer(VALUE_MAX)
        if await self._thread.run(lambda: call(buffer)):
            return None
        return buffer.value.decode(errors="replace")

    async def begin(self) -> str:
        return self._name.decode(errors="replace")

    async def abort(self, code: int, text: str) -> None:
        function = getattr(self._library, f"{self.prefix}Abort")
        # PMI-2 has no code, but a flag that all processes are meant.
        await self._thread.run(lambda: function(1 if self.prefix == "PMI2_" else code, text.encode()))

    async def finish(self) -> None:
        await self._ask("Finalize")
        self.close()

    def close(self) -> None:
        self._thread.close()


class Libpmi(_Library):
    """PMI-1 by a library."""

    method, prefix = "libpmi", "PMI_"

    def __init__(self, library: Any, *, foreign: bool = True) -> None:
        """Raises Unavailable."""
        import ctypes

        super().__init__(library, _PMI1, foreign=foreign)
        if hasattr(library, _CRAY):
            raise Unavailable(f"{library._name} is Cray's, which works as libpmi2 alone")
        spawned, size, rank = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        name = ctypes.create_string_buffer(_NAME_SIZE)
        self._first("Init", ctypes.byref(spawned))
        self._first("KVS_Get_my_name", name, _NAME_SIZE)
        self._first("Get_rank", ctypes.byref(rank))
        self._first("Get_size", ctypes.byref(size))
        self.rank, self.size = checked(rank.value, size.value)
        self._name = name.value

    async def put(self, key: str, value: str) -> None:
        await self._ask("KVS_Put", self._name, _word(key), _string(value))

    async def get(self, key: str, rank: int | None = None) -> str | None:
        name, word = self._name, _word(key)
        return await self._read(lambda buffer: self._call["KVS_Get"](name, word, buffer, VALUE_MAX))

    async def barrier(self) -> None:
        await self._ask("KVS_Commit", self._name)
        await self._ask("Barrier")


class Libpmi2(_Library):
    """PMI-2 by a library. Cray's takes no ``=`` and ``;`` in values, and prints keys that are not there."""

    method, prefix = "libpmi2", "PMI2_"

    def __init__(self, library: Any, *, foreign: bool = True) -> None:
        """Raises Unavailable."""
        import ctypes

        super().__init__(library, _PMI2, foreign=foreign)
        self.cray = hasattr(library, _CRAY)
        numbers = [ctypes.c_int() for _ in range(4)]
        name = ctypes.create_string_buffer(_NAME_SIZE)
        self._first("Init", *map(ctypes.byref, numbers))
        self._first("Job_GetId", name, _NAME_SIZE)  # where Slurm's says that there is no Slurm
        self.rank, self.size = checked(numbers[2].value, numbers[1].value)
        self._name = name.value

    async def put(self, key: str, value: str) -> None:
        text = _string(value)
        if self.cray:
            text = base64.b64encode(text).replace(b"=", b"*")
        await self._ask("KVS_Put", _word(key), text)

    async def get(self, key: str, rank: int | None = None) -> str | None:
        import ctypes

        found, length = ctypes.c_int(), ctypes.c_int()
        word = _word(key)
        if key == MAPPING_KEY:
            text = await self._read(
                lambda buffer: self._call["Info_GetJobAttr"](word, buffer, VALUE_MAX, ctypes.byref(found))
            )
            return text if found.value else None
        if self.cray and key.startswith("flux."):
            return None
        text = await self._read(
            lambda buffer: self._call["KVS_Get"](None, -1, word, buffer, VALUE_MAX, ctypes.byref(length))
        )
        if not text:
            return None  # Slurm's says so of a key that is not there
        return _uncrayed(text) if self.cray else text

    async def barrier(self) -> None:
        await self._ask("KVS_Fence")


def _uncrayed(text: str) -> str:
    try:
        return base64.b64decode(text.replace("*", "="), validate=True).decode()
    except ValueError:
        raise FormatError("pmi: a value is not base64, which Cray's library needs") from None


def checked(rank: int, size: int) -> tuple[int, int]:
    """A rank and a size that a library tells. Raises OSError if they do not fit each other."""
    if not 0 <= rank < size:
        raise OSError(errno.EPROTO, f"the process manager says that this is rank {rank} of {size}")
    return rank, size


def _word(key: str) -> bytes:
    if not is_word(key) or len(key) >= KEY_MAX:
        raise OSError(errno.EINVAL, f"pmi: {key[:80]!r} is no key")
    return key.encode()


def _string(value: str) -> bytes:
    text = value.encode()
    if not is_string(value) or len(text) >= VALUE_MAX:
        raise OSError(errno.EMSGSIZE, f"pmi: a value of {len(text)} bytes: the limit is {VALUE_MAX - 1}")
    return text
