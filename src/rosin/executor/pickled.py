# SPDX-License-Identifier: LGPL-3.0-or-later
"""Pickles of calls and results: made by cloudpickle where there is one, and what is said where it fails."""

from __future__ import annotations

import io
import pickle
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of a pickle that are carried: brokers keep them, more than once, in memory and on disk.
LIMIT = 256 << 20
#: What a job calls the program's main module, as multiprocessing does: its main part does not run there.
MAIN = "__mp_main__"


def _pickler() -> Any:
    """cloudpickle, else pickle."""
    try:
        import cloudpickle
    except ImportError:
        return pickle
    return cloudpickle


def dumps(value: Any, what: str) -> bytes:
    """The pickle of a value, which error messages call *what*.

    Raises PicklingError for one that has none, and ValueError for one of more than :data:`LIMIT` bytes.
    """
    pickler = _pickler()
    try:
        data: bytes = pickler.dumps(value, protocol=5)
    except Exception as exc:  # whatever a __reduce__ raises
        hint = "" if pickler is not pickle else "; with cloudpickle installed, more can be"
        text = f"{what} ({type(value).__name__}) cannot be pickled: {exc}{hint}"
        raise pickle.PicklingError(text) from exc
    return _limited(data, what)


def dumps_result(value: Any, what: str) -> bytes:
    """Like :func:`dumps`; without cloudpickle, whose import takes longer than many a call, if it can be."""
    try:
        data = pickle.dumps(value, protocol=5)
    except Exception:
        return dumps(value, what)  # and says why
    return _limited(data, what)


def _limited(data: bytes, what: str) -> bytes:
    if len(data) > LIMIT:
        size = f"{len(data) >> 20} MiB, and at most {LIMIT >> 20} MiB are carried"
        raise ValueError(f"the pickle of {what} has {size}: pass the name of a file that both can read")
    return data


def dumps_call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """The pickle of a call. Raises as :func:`dumps`, and says which part it is."""
    try:
        return dumps((fn, args, kwargs), f"the call of {name_of(fn)}")
    except pickle.PicklingError as whole:
        parts = {"the function": fn}
        parts |= {f"argument {number} of {name_of(fn)}": arg for number, arg in enumerate(args, 1)}
        parts |= {f"argument '{name}' of {name_of(fn)}": arg for name, arg in kwargs.items()}
        for what, part in parts.items():
            dumps(part, what)
        raise whole from None


def name_of(fn: Any) -> str:
    """What people call a function: its name, that of what a partial is of, else that of its type."""
    while isinstance(fn, partial):
        fn = fn.func
    return str(getattr(fn, "__name__", None) or type(fn).__name__)


class _Unpickler(pickle.Unpickler):
    """Finds what is in the program's main module, on either side."""

    def __init__(self, data: bytes, main: Callable[[], Any] | None) -> None:
        super().__init__(io.BytesIO(data))
        self._main = main

    def find_class(self, module: str, name: str) -> Any:
        if module == MAIN and self._main is None:
            module = "__main__"  # this is the program
        if module != "__main__" or self._main is None:
            return super().find_class(module, name)
        found = self._main()
        for part in name.split("."):
            found = getattr(found, part)
        return found


def loads(data: bytes, main: Callable[[], Any] | None = None) -> Any:
    """What a pickle is of. ``main`` gives the program's main module, in a job.

    Only for what the user himself has written: a pickle can run anything.
    """
    return _Unpickler(data, main).load()


def main_file() -> str:
    """The file of the program's main module, "" where it has none (an interactive session, ``-c``)."""
    main = sys.modules.get("__main__")
    return str(getattr(main, "__file__", None) or "")
