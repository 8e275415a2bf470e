# SPDX-License-Identifier: LGPL-3.0-or-later
"""The files of a database: private to the instance owner, and none of them lost without a word.

SQLite takes a database file that is missing for a new one, and goes on without a write-ahead log that is
missing, although the newest transactions were in it. So a record beside the database says which files there
must be: ``content.sqlite.state``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

OPEN, CLOSING, CLOSED = "open", "closing", "closed"


class DatabaseFiles:
    """The database at *path* with its write-ahead log. *recorded*: the state outlives the broker."""

    def __init__(self, path: str, recorded: bool) -> None:
        self.path = path
        self.wal = path + "-wal"
        self.state = path + ".state"
        self.recorded = recorded

    def remove(self) -> None:
        """Remove them all."""
        for name in (self.path, self.wal, self.path + "-shm", self.path + "-journal", self.state):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def check(self) -> None:
        """Raises OSError ENOENT, with the remedy, when a file is missing that held something."""
        try:
            with open(self.state, encoding="ascii") as stream:
                state = stream.read(64).strip()
        except FileNotFoundError:
            state = ""
        except (OSError, ValueError) as error:
            raise OSError(errno.EIO, f"content-sqlite: cannot read {self.state}: {error}") from None
        log = os.path.exists(self.wal)
        if _empty(self.path):
            if state or (log and not _empty(self.wal)):
                others = " and ".join(name for name in (self.wal, self.state) if os.path.exists(name))
                raise OSError(
                    errno.ENOENT,
                    f"content-sqlite: {self.path} is missing, which held the state of the instance: "
                    f"put it back, or remove {others} to start with nothing or with a dump",
                )
        elif state == OPEN and not log:
            raise OSError(
                errno.ENOENT,
                f"content-sqlite: {self.wal} is missing, which held what was stored last before the broker "
                f"was killed: put it back, or remove {self.state} to go on without that",
            )

    def make_private(self) -> None:
        """Make the database if there is none; it and its logs are readable by their owner alone.

        SQLite gives the files that it makes beside it the same mode. Raises OSError."""
        others = [(self.path + suffix, 0) for suffix in ("-wal", "-shm", "-journal")]
        for name, flags in [(self.path, os.O_CREAT), *others]:
            try:
                fd = os.open(name, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
            except FileNotFoundError:
                if flags:
                    raise
                continue
            try:
                if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
                    os.fchmod(fd, 0o600)
            finally:
                os.close(fd)

    def record(self, state: str) -> None:
        """Write down what there must be from now on. Raises OSError."""
        if not self.recorded:
            return
        if state == OPEN and not os.path.exists(self.wal):
            state = CLOSED  # another journal mode: all is in the database itself
        new = self.state + ".new"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, state.encode() + b"\n")
        finally:
            os.close(fd)
        os.rename(new, self.state)


def _empty(path: str) -> bool:
    try:
        return os.path.getsize(path) == 0
    except FileNotFoundError:
        return True
