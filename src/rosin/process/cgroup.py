# SPDX-License-Identifier: LGPL-3.0-or-later
"""The control group of this process, and what the kernel counts of it.

The unified hierarchy is looked for first, alone or beside the older ones, then that of systemd among the
older ones: the first two have the files that are read here, the third has a place and nothing else.
"""

from __future__ import annotations

import errno
import os

#: Where hierarchies are mounted (below the root), what their directory has, and their name in ``/proc``.
_MOUNTS = (
    ("sys/fs/cgroup", "cgroup.controllers", ""),
    ("sys/fs/cgroup/unified", "cgroup.controllers", ""),
    ("sys/fs/cgroup/systemd", "cgroup.procs", "name=systemd"),
)


class Cgroup:
    """A control group by its directory; its numbers are None where the kernel does not tell them."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def has(self, *names: str) -> bool:
        """Whether all these files can be read."""
        return all(os.access(os.path.join(self.path, name), os.R_OK) for name in names)

    def number(self, name: str) -> int | None:
        """The number that a file holds."""
        return _integer(self._read(name))

    def count(self, name: str, key: str) -> int | None:
        """The number behind a key, of a file with one in each line."""
        return find(self._read(name), key)

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self.path, name), encoding="ascii", errors="replace") as file:
                return file.read()
        except OSError:
            return ""


def find(text: str, key: str) -> int | None:
    """The number behind a key, in text with one in each line."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return _integer(value)
    return None


def _integer(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def own(root: str = "/") -> Cgroup:
    """The group of this process. ``root`` is where ``/proc`` and ``/sys`` are looked for.

    Raises OSError (ENOENT) on systems that have none of the hierarchies."""
    with open(os.path.join(root, "proc/self/cgroup"), encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().splitlines()
    for place, mark, name in _MOUNTS:
        mount = os.path.join(root, place)
        if not os.path.exists(os.path.join(mount, mark)):
            continue
        for line in lines:
            _, _, rest = line.partition(":")
            controllers, colon, path = rest.partition(":")
            if colon and controllers == name:
                while path.startswith("/.."):  # seen from a container that is in another place
                    path = path[3:]
                return Cgroup(mount + path)
        break
    raise OSError(errno.ENOENT, "no control group that can be used")
