# SPDX-License-Identifier: LGPL-3.0-or-later
"""Removing directory trees that others made: of any depth, with two descriptors, and without recursion."""

from __future__ import annotations

import contextlib
import os

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str) -> None:
    """Remove the directory *path* with everything in it; what cannot be removed is left. Follows no link.

    A task decides how deep its directories are. So each directory is first moved to the top of the tree:
    neither the stack nor the length of a path nor the number of descriptors is a limit.
    """
    try:
        top = os.open(path, _FLAGS)
    except OSError:
        return
    try:
        clear_tree(top)
    finally:
        os.close(top)
    _remove_empty(path, None)


def clear_tree(top: int) -> None:
    """Remove everything in the directory of a descriptor, but not what is mounted there."""
    device = os.fstat(top).st_dev
    todo = _clear(top)
    made = 0
    while todo:
        name = todo.pop()
        try:
            here = os.open(name, _FLAGS, dir_fd=top)
        except OSError:
            pass  # of no use to us, but perhaps empty
        else:
            try:
                for inner in _clear(here) if os.fstat(here).st_dev == device else ():
                    made += 1
                    moved = f".remove-{made}"
                    try:
                        os.rename(inner, moved, src_dir_fd=here, dst_dir_fd=top)
                        todo.append(moved)
                    except OSError:
                        _remove_empty(inner, here)
            finally:
                os.close(here)
        _remove_empty(name, top)


def _clear(directory: int) -> list[str]:
    """Remove everything but directories, whose names are returned."""
    names = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        names.append(entry.name)
                    else:
                        os.unlink(entry.name, dir_fd=directory)
    except OSError:
        pass  # it cannot be read: it stays
    return names


def _remove_empty(name: str, directory: int | None) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=directory)
