# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a server still knows when it is started anew: sessions, webhooks, answers to requests with keys.

A SQLite file of one server, which holds it while it runs. Of cookies and keys it has digests; the secrets of
webhooks, which sign, it has as they are, so it is for its user alone.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import re
import secrets
import socket
import sqlite3
import stat
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from rosin.rest.auth.sessions import KnownSession
from rosin.rest.auth.tokens import default_path as tokens_path

#: One for each version of the file, the next on top of those before: ``PRAGMA user_version`` counts them.
MIGRATIONS = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
    CREATE TABLE sessions (digest BLOB PRIMARY KEY, user TEXT, uid INTEGER, begun REAL, used REAL)
        WITHOUT ROWID;
    CREATE TABLE webhooks (id TEXT PRIMARY KEY, about TEXT) WITHOUT ROWID;
    CREATE TABLE answers (
        key BLOB PRIMARY KEY, body BLOB, since REAL, answer BLOB, job INTEGER, t_submit REAL
    ) WITHOUT ROWID;
    CREATE INDEX answers_since ON answers (since);
    """,
)
_APPLICATION = 0x526F5253
#: Bytes of an answer that is kept, and seconds for which it is.
LARGEST_ANSWER = 4 << 20
KEPT_ANSWERS = 86_400.0
_SALT = 16


class KnownAnswer(NamedTuple):
    """The answer to a request with a key; None if the server ended before it had one.

    ``job`` and ``t_submit``: a job that it has made, by which the instance is known again.
    """

    body: bytes
    answer: bytes | None
    job: int | None
    t_submit: float | None


def default_path(where: str) -> str:
    """The file of the server at *where*: ``$XDG_STATE_HOME/rosin/serve-HOST-WHERE.db``."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{socket.gethostname()}-{where}").strip("-")
    if len(name) > 120:
        name = hashlib.sha256(name.encode()).hexdigest()
    return os.path.join(os.path.dirname(tokens_path()), f"serve-{name}.db")


class ServerState:
    """The file; without a path, memory. What cannot be written is told once, and the server goes on."""

    def __init__(self, path: str | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open or create it. Raises OSError and ValueError that name the file."""
        self.path = path
        self._clock = clock
        self._failed = False
        if path is not None:
            _prepare(path)
        try:
            # Test clients run requests in loops of other threads; no two at a time.
            self._db = sqlite3.connect(
                path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False
            )
            self._open()
        except sqlite3.OperationalError as exc:
            text = "another server uses it (see rosin serve --state)" if "locked" in str(exc) else str(exc)
            raise OSError(errno.EBUSY, f"{path}: {text}") from None
        except sqlite3.Error as exc:
            raise ValueError(f"{path}: not the state of a server: {exc}") from None

    def _open(self) -> None:
        run = self._db.execute
        run("PRAGMA locking_mode=EXCLUSIVE")
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=NORMAL")
        run("BEGIN IMMEDIATE")
        version, owner = (run(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
        if owner not in (0, _APPLICATION) or (not owner and version):
            raise ValueError(f"{self.path}: a database of another program")
        if version > len(MIGRATIONS):
            raise ValueError(f"{self.path}: version {version} is from a newer release")
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                run(statement)
        run(f"PRAGMA user_version={len(MIGRATIONS)}")
        run(f"PRAGMA application_id={_APPLICATION}")
        run("COMMIT")

    def close(self) -> None:
        """Let another server have it."""
        self._db.close()

    def _write(self, statement: str, *values: Any) -> None:
        try:
            self._db.execute(statement, values)
            self._failed = False
        except sqlite3.Error as exc:
            if not self._failed:
                sys.stderr.write(f"rosin-serve: ERROR: {self.path}: {exc}\n")
                sys.stderr.flush()
            self._failed = True

    def _row(self, statement: str, *values: Any) -> Any:
        return self._db.execute(statement, values).fetchone()

    def forget_old(self, token: str | None, idle: float, longest: float) -> None:
        """End the sessions that are over, and all when the owner's *token* is another one than before."""
        now = self._clock()
        self._write("DELETE FROM sessions WHERE used < ? OR begun < ?", now - idle, now - longest)
        self._write("DELETE FROM answers WHERE since < ?", now - KEPT_ANSWERS)
        if self.path is None:
            return
        found = self._row("SELECT value FROM facts WHERE name='owner'")
        salt = found[0][:_SALT] if found else secrets.token_bytes(_SALT)
        made = salt + _digest(token, salt)
        if found is None or not hmac.compare_digest(made, found[0]):
            self._write("DELETE FROM sessions")
            self._write("INSERT OR REPLACE INTO facts VALUES ('owner', ?)", made)

    # -- sessions ---------------------------------------------------------------------------------

    def keep_session(self, digest: bytes, session: KnownSession) -> None:
        """Keep a session, or when it was used last."""
        self._write("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)", digest, *session)

    def session(self, digest: bytes) -> KnownSession | None:
        """The session whose cookie has this digest."""
        row = self._row("SELECT user, uid, begun, used FROM sessions WHERE digest=?", digest)
        return None if row is None else KnownSession(*row)

    def end_session(self, digest: bytes) -> None:
        """Forget a session."""
        self._write("DELETE FROM sessions WHERE digest=?", digest)

    def end_sessions(self, user: str) -> None:
        """Forget those of a user."""
        self._write("DELETE FROM sessions WHERE user=?", user)

    # -- webhooks ---------------------------------------------------------------------------------

    def keep_webhook(self, ident: str, about: str) -> None:
        """Keep a webhook."""
        self._write("INSERT OR REPLACE INTO webhooks VALUES (?, ?)", ident, about)

    def webhooks(self) -> list[str]:
        """All that are kept."""
        return [row[0] for row in self._db.execute("SELECT about FROM webhooks ORDER BY id")]

    def delete_webhook(self, ident: str) -> None:
        """Forget a webhook."""
        self._write("DELETE FROM webhooks WHERE id=?", ident)

    # -- answers ----------------------------------------------------------------------------------

    def keep_answer(self, key: bytes, known: KnownAnswer) -> None:
        """Keep what was answered, or that the answer is being made."""
        self._write(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            key,
            known.body,
            self._clock(),
            *known[1:],
        )

    def answer(self, key: bytes) -> KnownAnswer | None:
        """What is known of a request with this key."""
        row = self._row(
            "SELECT body, answer, job, t_submit FROM answers WHERE key=? AND since>=?",
            key,
            self._clock() - KEPT_ANSWERS,
        )
        return None if row is None else KnownAnswer(*row)

    def forget_answer(self, key: bytes) -> None:
        """The request may be sent again."""
        self._write("DELETE FROM answers WHERE key=?", key)

    def limit_answers(self, most: int) -> None:
        """Forget the oldest beyond *most*."""
        self._write(
            "DELETE FROM answers WHERE key IN"
            " (SELECT key FROM answers ORDER BY since DESC LIMIT -1 OFFSET ?)",
            most,
        )


def _prepare(path: str) -> None:
    """A file for this user alone. Raises OSError and ValueError."""
    os.makedirs(os.path.dirname(path) or ".", 0o700, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        about = os.fstat(fd)
    finally:
        os.close(fd)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
        raise ValueError(f"{path}: it is no file of this user")
    if stat.S_IMODE(about.st_mode) & 0o077:
        raise ValueError(f"{path}: others can open it: chmod 600 {path}")


def _digest(token: str | None, salt: bytes) -> bytes:
    """Tells a token again; who reads it has to guess at some cost."""
    text = b"" if token is None else token.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=1 << 14, r=8, p=1, dklen=32)
