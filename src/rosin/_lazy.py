# SPDX-License-Identifier: LGPL-3.0-or-later
"""Public names of a package that are imported when they are first used (PEP 562).

A command uses one name of a package and must not pay for the others::

    _WHERE = {"get": "directory", "put": "txn"}
    __getattr__, __dir__ = on_first_use(__name__, _WHERE)
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def on_first_use(
    package: str, where: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package; ``where`` says in which of its modules each name is.

    One that begins with a dot is beside the package.
    """

    def find(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f".{where[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where})

    return find, names
