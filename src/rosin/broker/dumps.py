# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dumps of the key-value store that are made in rc3 and read in rc1: ``content.dump``, ``content.restore``.

With ``auto`` they are in the directory ``dump`` below the state directory, or without one that lasts in the
current directory; the symbolic link ``RESTORE`` there is the one to be read.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.rcprogram import RcProgram
from rosin.process.platform import sync_file_system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.broker.broker import Broker

AUTO = "auto"
LINK = "RESTORE"
#: What rc1 does with the archive, and rc3: those are flux-core's options.
_RESTORE = "restore --sd-notify --quiet --checkpoint --size-limit=100M"
_DUMP = "dump --sd-notify --quiet --ignore-failed-read --no-cache --maxreqs=128 --checkpoint"


class Archive(NamedTuple):
    """The path of an archive, and the link that leads there if it was chosen by ``auto``."""

    path: str
    link: str | None = None


def lasting(attrs: Mapping[str, str]) -> bool:
    """Whether the state directory outlives the broker."""
    return "statedir" in attrs and attrs.get("statedir-cleanup", "0") != "1"


def directory(attrs: Mapping[str, str]) -> str:
    """Where dumps are with ``auto``."""
    return os.path.join(attrs["statedir"] if lasting(attrs) else ".", "dump")


def source(attrs: Mapping[str, str]) -> Archive | None:
    """What rc1 reads, if anything."""
    value = attrs.get("content.restore", "")
    if value != AUTO:
        return Archive(value) if value else None
    link = os.path.join(directory(attrs), LINK)
    return Archive(os.path.realpath(link), link) if os.path.islink(link) else None


def target(attrs: Mapping[str, str], now: float) -> Archive | None:
    """What rc3 writes, if anything."""
    value = attrs.get("content.dump", "")
    if value != AUTO:
        return Archive(value) if value else None
    name = time.strftime("%Y%m%d_%H%M%S.tgz", time.localtime(now))
    place = directory(attrs)
    return Archive(os.path.join(place, name), os.path.join(place, LINK))


def in_place(attrs: Mapping[str, str]) -> bool:
    """Whether ``content.dump=auto`` is to leave the store smaller, as nobody is going to read a dump."""
    wanted = attrs.get("content.dump") == AUTO and attrs.get("content.restore") != AUTO
    return wanted and lasting(attrs) and attrs.get("content.backing-module") == "content-sqlite"


def reading(archive: Archive) -> str:
    """The command that fills an empty backing store, without the kvs module."""
    return _command(_RESTORE, archive)


def writing(archive: Archive) -> str:
    """The command that writes what the backing store has, without the kvs module."""
    return _command(_DUMP, archive)


def _command(command: str, archive: Archive) -> str:
    import shlex

    return f"{shlex.quote(sys.executable)} -m rosin {command} -- {shlex.quote(archive.path)}"


def was_read(archive: Archive) -> None:
    """It need not be read again, as what was read is on the disk. That may take long. Raises OSError."""
    if archive.link is None:
        return
    fd = os.open(os.path.dirname(archive.link), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_file_system(fd)
    finally:
        os.close(fd)
    os.unlink(archive.link)


def prepare(archive: Archive) -> None:
    """Make the directory that ``auto`` wants. Raises OSError."""
    if archive.link is not None:
        os.makedirs(os.path.dirname(archive.link), mode=0o700, exist_ok=True)


def written(archive: Archive) -> None:
    """Let the link lead to an archive that is complete now. Raises OSError."""
    if archive.link is not None:
        new = f"{archive.link}.new"
        if os.path.lexists(new):
            os.unlink(new)
        os.symlink(os.path.basename(archive.path), new)
        os.replace(new, archive.link)


async def restore(broker: Broker, archive: Archive) -> None:
    """Fill the empty backing store. Raises OSError; then rc3 makes no dump."""
    broker.log(6, "broker", f"rc1: restoring content from {archive.path}")
    if await RcProgram(broker, "rc1", reading(archive)).run():
        broker.attrs.set("content.dump", "", force=True)  # it would have little in it
        raise OSError(errno.EIO, f"content.restore: cannot read {archive.path}, see above")
    await asyncio.to_thread(was_read, archive)


def check(archive: Archive) -> None:
    """Raise OSError unless there is an archive to read: the store is emptied for it."""
    from rosin.kvs.snapshot.tarball import members

    try:
        next(members(archive.path), None)
    except OSError as error:
        remedy = "" if archive.link is None else f"; put one there, or remove {archive.link}"
        raise OSError(error.errno, f"content.restore: {error.strerror}{remedy}") from None


async def dump(broker: Broker, archive: Archive) -> None:
    """Write what the backing store has. A failure is logged."""
    broker.log(6, "broker", f"rc3: dumping content to {archive.path}")
    try:
        prepare(archive)
        if await RcProgram(broker, "rc3", writing(archive)).run() == 0:
            written(archive)
    except OSError as error:
        broker.log(3, "broker", f"rc3: {archive.path}: {error.strerror}")
