# SPDX-License-Identifier: LGPL-3.0-or-later
"""The accounting database: a SQLite file with a table for each kind of row, usages, and jobs that were."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.accounting.rows import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rosin.accounting.rows import Row

#: ``PRAGMA user_version`` of what is written here.
VERSION = 1
_TYPES = {"int": "INTEGER", "bool": "INTEGER", "float": "REAL", "str": "TEXT"}


class JobRecord(NamedTuple):
    """A job that had resources. Times are seconds since the epoch; ``usage`` is what it was charged."""

    id: int
    userid: int
    bank: str
    queue: str
    nodes: int
    cores: int
    gpus: int
    start: float
    end: float
    usage: float


class AccountingStore:
    """The file. What is written is durable after :meth:`commit`."""

    def __init__(self, path: str) -> None:
        """Open or create it. Raises OSError: what is wrong with the file."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise OSError(errno.EINVAL, f"{path}: version {version} is from a newer release")
            if version < VERSION:
                tables = [name for (name,) in self._db.execute("SELECT name FROM sqlite_master")]
                if tables:
                    raise OSError(errno.EINVAL, f"{path}: a database, but not one of accounts")
                self._create()
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"{path}: {error}") from None
        self._open = False

    def _create(self) -> None:
        with self._db:
            self._db.execute("BEGIN")
            for cls in TABLES.values():
                columns = ", ".join(
                    f'"{field.name}" {_TYPES[str(field.type).partition(" ")[0]]}' for field in fields(cls)
                )
                self._db.execute(f"CREATE TABLE {cls.TABLE} ({columns}, PRIMARY KEY ({', '.join(cls.KEY)}))")
            self._db.execute(
                "CREATE TABLE usage (userid INTEGER, bank TEXT, amount REAL, stamp REAL,"
                " PRIMARY KEY (userid, bank))"
            )
            self._db.execute(
                "CREATE TABLE job (id TEXT PRIMARY KEY, userid INTEGER, bank TEXT, queue TEXT, nodes INTEGER,"
                " cores INTEGER, gpus INTEGER, start REAL, stop REAL, usage REAL)"
            )
            self._db.execute("CREATE INDEX job_stop ON job (stop)")
            self._db.execute(f"PRAGMA user_version={VERSION}")

    def close(self) -> None:
        """Commit, and close the file."""
        self.commit()
        self._db.close()

    def commit(self) -> None:
        """Make durable what has been written. Raises OSError."""
        if self._open:
            self._run("COMMIT")
            self._open = False

    # -- rows ---------------------------------------------------------------------------------------

    def rows(self, cls: Any) -> Iterator[Any]:
        """All rows of a table, in the order in which they were added."""
        kinds = [str(field.type) for field in fields(cls)]
        for values in self._db.execute(f"SELECT * FROM {cls.TABLE} ORDER BY rowid"):
            decoded = [
                bool(value) if kind == "bool" else value for kind, value in zip(kinds, values, strict=True)
            ]
            yield cls(*decoded)

    def put(self, row: Row) -> None:
        """Add *row*, or replace the one with its key. Raises OSError."""
        names = [field.name for field in fields(row)]
        columns, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
        others = ", ".join(f'"{name}"=excluded."{name}"' for name in names if name not in row.KEY)
        self._write(
            f"INSERT INTO {row.TABLE} ({columns}) VALUES ({marks})"
            f" ON CONFLICT ({', '.join(row.KEY)}) DO UPDATE SET {others}",
            [getattr(row, name) for name in names],
        )

    def remove(self, row: Row) -> None:
        """Remove *row*. Raises OSError."""
        where = " AND ".join(f"{name}=?" for name in row.KEY)
        self._write(f"DELETE FROM {row.TABLE} WHERE {where}", [getattr(row, name) for name in row.KEY])

    # -- usage and jobs -----------------------------------------------------------------------------

    def usages(self) -> Iterator[tuple[tuple[int, str], float, float]]:
        """The usage of each association, and when that was."""
        for userid, bank, amount, stamp in self._db.execute("SELECT userid, bank, amount, stamp FROM usage"):
            yield (userid, bank), amount, stamp

    def put_usage(self, key: tuple[int, str], usage: float, when: float) -> None:
        """Keep a usage. Raises OSError."""
        self._write("INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?)", [*key, usage, when])

    def add_job(self, job: JobRecord) -> bool:
        """Keep what a job was; False if it is there already. Raises OSError."""
        values = [str(job.id), *job[1:]]  # an id may be above SQLite's integers
        return bool(self._write(f"INSERT OR IGNORE INTO job VALUES ({', '.join('?' * len(values))})", values))

    def jobs(self, userid: int | None = None, since: float = 0.0, limit: int = 1000) -> list[JobRecord]:
        """The last jobs that ended after *since*, of a user or of all, newest first."""
        who, values = ("", []) if userid is None else (" AND userid=?", [userid])
        found = self._db.execute(
            f"SELECT * FROM job WHERE stop>?{who} ORDER BY stop DESC LIMIT ?", [since, *values, limit]
        )
        return [JobRecord(int(id), *rest) for id, *rest in found]

    def newest(self) -> float:
        """When the last job ended, 0.0 when there is none."""
        return float(self._db.execute("SELECT max(stop) FROM job").fetchone()[0] or 0.0)

    def report(self, start: float, end: float) -> list[tuple[str, int, int, float]]:
        """Bank, userid, number of jobs and node seconds, of jobs that ended in a time."""
        found = self._db.execute(
            "SELECT bank, userid, count(*), sum(nodes * (stop - start)) FROM job"
            " WHERE stop>=? AND stop<? GROUP BY bank, userid ORDER BY bank, userid",
            [start, end],
        )
        return [tuple(row) for row in found]

    def scrub(self, before: float) -> int:
        """Forget the jobs that ended *before*; returns how many. Raises OSError."""
        return self._write("DELETE FROM job WHERE stop<?", [before])

    def _write(self, statement: str, values: Iterable[object]) -> int:
        if not self._open:
            self._run("BEGIN")
            self._open = True
        return self._run(statement, values)

    def _run(self, statement: str, values: Iterable[object] = ()) -> int:
        try:
            return self._db.execute(statement, tuple(values)).rowcount
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"accounting database: {error}") from None
