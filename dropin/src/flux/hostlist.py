# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.hostlist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rosin.rfc.hostlist import Hostlist

__all__ = ["Hostlist", "HostlistIterator", "decode"]


class HostlistIterator(Iterator[str]):
    """The names of a Hostlist, one after the other."""

    def __init__(self, hostlist: Hostlist) -> None:
        self._names = iter(hostlist)

    def __next__(self) -> str:
        return next(self._names)


def decode(arg: str | Iterable[str]) -> Hostlist:
    """A Hostlist of text, or of several texts. Raises ValueError."""
    return Hostlist(arg)
