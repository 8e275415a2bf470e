# SPDX-License-Identifier: LGPL-3.0-or-later
"""Formats of the Flux RFCs: pure, no I/O, no clock."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class Former:
    """A finder of former names (:class:`importlib.abc.MetaPathFinder`, :mod:`rosin.rfc._moved`)."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that has moved, None for any other."""
        if fullname.rpartition(".")[0] != "rosin.rfc":
            return None
        from rosin.rfc._moved import spec

        return spec(fullname)


sys.meta_path.append(Former())  # the last one that is asked
