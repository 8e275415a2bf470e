# SPDX-License-Identifier: LGPL-3.0-or-later
"""The SQLite file of the content backing store.

The tables ``objects`` and ``checkpt_v2`` are flux-core's, so either implementation opens the other's file,
except that Rosin stores objects as they are (``size`` -1) while flux-core may compress them with LZ4: reading
a compressed object needs the lz4 package. Hashes are bytes that flux-core declares as BLOB and binds as TEXT,
which are different values to SQLite. ``journal`` is Rosin's own: the KVS operations since the newest
checkpoint.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import needs_package
from rosin.modules.content_sqlite.files import CLOSED, CLOSING, OPEN, DatabaseFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.internal.backing_commit import BackingCommit

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (hash BLOB PRIMARY KEY, size INT, object BLOB, epoch INT DEFAULT 0);
CREATE TABLE IF NOT EXISTS checkpt_v2 (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, value TEXT);
CREATE TABLE IF NOT EXISTS journal (sequence INTEGER PRIMARY KEY, base TEXT NOT NULL, record BLOB NOT NULL);
"""
_STORE = (
    "INSERT INTO objects (hash, size, object, epoch) VALUES (CAST(? AS TEXT), -1, ?, ?)"
    " ON CONFLICT (hash) DO UPDATE SET epoch = excluded.epoch WHERE epoch < excluded.epoch"
)
_JOURNAL = "INSERT OR REPLACE INTO journal VALUES (?, ?, ?)"
_ERRNOS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_TOOBIG: errno.EFBIG,
}
#: The format of the file (``user_version``), which flux-core leaves at 0. In format 1 hashes were BLOB.
VERSION = 2
MAX_MARK = 16384
MAX_DELETE = 8192
MAX_WINDOW = 1 << 19


class Database:
    """One open database. Every method raises OSError with a text that names the file."""

    def __init__(
        self,
        path: str,
        journal_mode: str = "WAL",
        synchronous: str = "NORMAL",
        max_checkpoints: int = 5,
        temporary: bool = False,
    ) -> None:
        """*temporary*: nobody expects to find the file again."""
        self.path = path
        self.files = DatabaseFiles(path, not temporary)
        self.journal_mode = journal_mode
        self.synchronous = synchronous
        self.max_checkpoints = max_checkpoints
        self.epoch = 1
        self._ready = False
        with self._errors("open"):
            self.files.check()
            self.files.make_private()
            self._db = sqlite3.connect(path, isolation_level=None, cached_statements=64)
        try:
            with self._errors("open"):
                self._prepare()
                self.files.record(OPEN)
                self._ready = True
        except OSError:
            self._db.close()
            raise

    @contextlib.contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(action, error) from None
        except (OverflowError, UnicodeError) as error:  # a value that no column holds
            raise OSError(errno.EINVAL, f"content-sqlite: cannot {action} {self.path}: {error}") from None
        except OSError as error:
            if error.filename is None:
                raise
            text = f"content-sqlite: cannot {action} {error.filename}: {error.strerror}"
            raise OSError(error.errno, text) from None

    def _error(self, action: str, error: sqlite3.Error) -> OSError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        text = f"content-sqlite: cannot {action} {self.path}: {error}"
        return OSError(_ERRNOS.get(code, errno.EIO), text)

    def _prepare(self) -> None:
        run = self._db.execute
        run("PRAGMA locking_mode=EXCLUSIVE")
        self.tune(self.journal_mode, self.synchronous)
        damage = " ".join(run("PRAGMA quick_check(1)").fetchone()[0].split())
        if damage != "ok":
            raise OSError(
                errno.EIO,
                f"content-sqlite: {self.path} is damaged ({damage}): move it away or restore a dump",
            )
        self._check_schema()
        if "epoch" not in [row[1] for row in run("PRAGMA table_info(objects)")] and self._exists("objects"):
            run("ALTER TABLE objects ADD COLUMN epoch INT DEFAULT 0")
        self._db.executescript(_SCHEMA)
        if run("PRAGMA user_version").fetchone()[0] < VERSION:
            run("UPDATE OR REPLACE objects SET hash = CAST(hash AS TEXT) WHERE typeof(hash) = 'blob'")
            run(f"PRAGMA user_version={VERSION}")
        if self._exists("checkpt"):
            self._take_over()
        self.epoch = (run("SELECT MAX(id) FROM checkpt_v2").fetchone()[0] or 0) + 1

    def _check_schema(self) -> None:
        """Raises OSError unless the tables are those of a content store."""
        run = self._db.execute
        version = run("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise OSError(
                errno.EINVAL,
                f"content-sqlite: {self.path} was written by a newer Rosin (format {version}, this one knows"
                f" {VERSION}): use that one, or move the file away",
            )
        tables = {row[0] for row in run("SELECT name FROM sqlite_master WHERE type='table'")}
        columns = {row[1] for row in run("PRAGMA table_info(objects)")}
        if tables and not columns >= {"hash", "size", "object"}:
            raise OSError(
                errno.EINVAL, f"content-sqlite: {self.path} is the database of another program: move it away"
            )

    def _take_over(self) -> None:
        """Make a checkpoint of the one that older versions of flux-core kept by the name of its namespace."""
        run = self._db.execute
        row = run("SELECT value FROM checkpt WHERE key='kvs-primary'").fetchone()
        if row is None or run("SELECT 1 FROM checkpt_v2").fetchone() is not None:
            return
        value = str(row[0])
        if not value.startswith("{"):  # older still: the root reference alone
            value = _json.dumps({"version": 0, "rootref": value}).decode()
        run("INSERT INTO checkpt_v2 (value) VALUES (?)", (value,))

    def _exists(self, table: str) -> bool:
        row = self._db.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?", (table,))
        return row.fetchone() is not None

    def tune(self, journal_mode: str, synchronous: str) -> None:
        """Set SQLite's journal mode and synchronous level."""
        with self._errors("tune" if self._ready else "open"):
            self._db.execute(f"PRAGMA journal_mode={journal_mode}")
            self._db.execute(f"PRAGMA synchronous={synchronous}")
        self.journal_mode, self.synchronous = journal_mode, synchronous
        if self._ready:
            self.files.record(OPEN)

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        with self._errors("close"):
            self.files.record(CLOSING)
            self._db.close()
            self.files.record(CLOSED)

    @contextlib.contextmanager
    def _transaction(self, action: str) -> Iterator[sqlite3.Connection]:
        with self._errors(action):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def load(self, digest: bytes) -> bytes:
        """The blob. OSError ENOENT: unknown."""
        with self._errors("read"):
            row = self._db.execute(
                "SELECT object, size FROM objects WHERE hash = CAST(? AS TEXT)", (digest,)
            ).fetchone()
        if row is None:
            raise OSError(errno.ENOENT, f"No such file or directory: unknown blob {digest.hex()}")
        blob, size = row
        if size is None or size < 0:
            return bytes(blob)
        return _decompress(bytes(blob), size, self.path)

    def contains(self, digest: bytes) -> bool:
        """Tell whether the blob is stored."""
        with self._errors("read"):
            row = self._db.execute("SELECT 1 FROM objects WHERE hash = CAST(? AS TEXT)", (digest,)).fetchone()
        return row is not None

    def store(self, digest: bytes, blob: bytes) -> None:
        """Store one blob."""
        with self._errors("write"):
            self._db.execute(_STORE, (digest, blob, self.epoch))

    def commit(self, batch: BackingCommit) -> None:
        """Store blobs, journal record and checkpoint of *batch* in one transaction."""
        if batch.journal is not None and not batch.blobs and batch.checkpoint is None:
            self._append_journal(batch.journal)
            return
        with self._transaction("write") as db:
            if batch.blobs:
                epoch = self.epoch
                db.executemany(_STORE, [(digest, blob, epoch) for digest, blob in batch.items()])
            if batch.journal is not None:
                db.execute(_JOURNAL, batch.journal)
            if batch.checkpoint is not None:
                self._put_checkpoint(batch.checkpoint)
        if batch.checkpoint is not None:
            self.epoch += 1

    def _append_journal(self, entry: tuple[int, str, bytes]) -> None:
        """What nearly every transaction of the KVS is: one statement, which is its own transaction."""
        try:
            self._db.execute(_JOURNAL, entry)
        except sqlite3.Error as error:
            raise self._error("write", error) from None

    def checkpoint_put(self, value: dict[str, Any]) -> None:
        """Add a checkpoint; the oldest beyond *max_checkpoints* go."""
        with self._transaction("write"):
            self._put_checkpoint(value)
        self.epoch += 1

    def _put_checkpoint(self, value: dict[str, Any]) -> None:
        run = self._db.execute
        run("INSERT INTO checkpt_v2 (value) VALUES (?)", (_json.dumps(value).decode(),))
        run(
            "DELETE FROM checkpt_v2 WHERE id IN"
            " (SELECT id FROM checkpt_v2 ORDER BY id DESC LIMIT -1 OFFSET ?)",
            (self.max_checkpoints,),
        )
        sequence = value.get("sequence")
        if isinstance(sequence, int):
            run("DELETE FROM journal WHERE sequence <= ?", (sequence,))

    def checkpoints(self) -> list[dict[str, Any]]:
        """All checkpoints with their numbers, ``{"id", "value"}``, the newest first."""
        with self._errors("read"):
            rows = self._db.execute("SELECT id, value FROM checkpt_v2 ORDER BY id DESC").fetchall()
        try:
            return [{"id": id, "value": _json.loads(value)} for id, value in rows]
        except ValueError as error:
            raise OSError(errno.EIO, f"content-sqlite: {self.path}: unreadable checkpoint: {error}") from None

    def journal(self, after: int, limit: int) -> list[tuple[int, str, bytes]]:
        """At most *limit* journal records with a sequence number above *after*, in order."""
        with self._errors("read"):
            rows = self._db.execute(
                "SELECT sequence, base, record FROM journal WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (after, limit),
            ).fetchall()
        return [(sequence, base, bytes(record)) for sequence, base, record in rows]

    def journal_clear(self) -> None:
        """Remove every journal record."""
        with self._errors("write"):
            self._db.execute("DELETE FROM journal")

    def mark(self, epoch: int, digests: list[bytes]) -> int:
        """Raise the epoch of blobs that are in use. Returns how many are stored."""
        with self._transaction("write") as db:
            sql = "UPDATE objects SET epoch = MAX(epoch, ?) WHERE hash = CAST(? AS TEXT)"
            return sum(db.execute(sql, (epoch, digest)).rowcount for digest in digests)

    def sweep(self, epoch: int, cursor: int, high_water: int, cap: int, window: int) -> tuple[int, int]:
        """Delete at most *cap* blobs older than *epoch* among *window* rows after row *cursor*.

        Returns how many went and the row to go on from; it is *high_water* when done.
        """
        cap, window = min(cap, MAX_DELETE), min(window, MAX_WINDOW)
        end = min(high_water, cursor + window)
        with self._transaction("write") as db:
            rows = db.execute(
                "SELECT rowid FROM objects WHERE epoch < ? AND rowid > ? AND rowid <= ?"
                " ORDER BY rowid LIMIT ?",
                (epoch, cursor, end, cap),
            ).fetchall()
            db.executemany("DELETE FROM objects WHERE rowid = ?", rows)
        return len(rows), rows[-1][0] if len(rows) == cap else end

    def high_water(self) -> int:
        """The largest row number of a blob."""
        with self._errors("read"):
            return self._db.execute("SELECT MAX(rowid) FROM objects").fetchone()[0] or 0

    def count(self, before_epoch: int | None = None) -> int:
        """How many blobs are stored, or how many of them are older than an epoch."""
        with self._errors("read"):
            if before_epoch is None:
                row = self._db.execute("SELECT COUNT(*) FROM objects").fetchone()
            else:
                sql = "SELECT COUNT(*) FROM objects WHERE epoch < ?"
                row = self._db.execute(sql, (before_epoch,)).fetchone()
        return int(row[0])

    def file_size(self) -> int:
        """Bytes of the database file and its write-ahead log."""
        total = 0
        for name in (self.path, self.path + "-wal"):
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(name).st_size
        return total

    def free_space(self) -> int:
        """Bytes that the file system can still take."""
        try:
            stat = os.statvfs(self.path)
        except OSError:
            return 0
        return stat.f_bavail * stat.f_frsize


def _decompress(blob: bytes, size: int, path: str) -> bytes:
    try:
        from lz4.block import decompress  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        what = f"content-sqlite: {path}: content that flux-core has compressed"
        raise needs_package(what, "lz4", "lz4") from None
    try:
        return bytes(decompress(blob, uncompressed_size=size))
    except Exception as error:
        raise OSError(errno.EIO, f"content-sqlite: {path}: damaged compressed object: {error}") from None
