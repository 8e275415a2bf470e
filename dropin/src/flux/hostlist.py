# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.hostlist."""

from collections.abc import Iterable

from rosin.rfc.hostlist import Hostlist

__all__ = ["Hostlist", "decode"]


def decode(arg: str | Iterable[str]) -> Hostlist:
    """A Hostlist of text, or of several texts. Raises ValueError."""
    return Hostlist(arg)
