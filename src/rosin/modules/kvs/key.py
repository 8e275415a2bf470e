# SPDX-License-Identifier: LGPL-3.0-or-later
"""Keys of the KVS: names joined by dots (RFC 11), and the limits on a walk along them.

Whoever sends a key decides how deep it is, so walks are loops and a key has a greatest number of parts.
flux-core sets no limit of its own; one key of :data:`MAX_PARTS` costs a commit a few hundredths of a second.
"""

from __future__ import annotations

import errno

#: The most parts of a key, its links resolved.
MAX_PARTS = 8192
#: A link leads to at most this many links, one behind the other.
MAX_LINKS = 10


def normalize(key: str) -> str:
    """The key without leading, trailing and doubled dots; the root is ``.``."""
    if key and key[0] != "." and key[-1] != "." and ".." not in key:
        return key
    return ".".join([part for part in key.split(".") if part]) or "."


def split(key: str) -> list[str]:
    """The parts of a key, none for the root. Raises OSError ENAMETOOLONG."""
    parts = [] if key == "." else key.split(".")
    if "" in parts:
        parts = [part for part in parts if part]
    if len(parts) > MAX_PARTS:
        check(parts)
    return parts


def check(parts: list[str]) -> None:
    """Raises OSError ENAMETOOLONG when a key has too many *parts*."""
    if len(parts) > MAX_PARTS:
        raise OSError(
            errno.ENAMETOOLONG, f"File name too long: a key has at most {MAX_PARTS} parts, not {len(parts)}"
        )


def too_many_links(key: str) -> OSError:
    """The ELOOP of a walk along *key*."""
    shown = key if len(key) <= 80 else key[:77] + "..."
    return OSError(errno.ELOOP, f"Too many levels of symbolic links: {shown}")
