# SPDX-License-Identifier: LGPL-3.0-or-later
"""API tokens: random, with scopes and an end, and revocable. Their digests are kept in a file.

The file is that of all servers of its user, and of ``rosin token``: whoever changes it holds a lock, and a
server looks whether it has changed before it believes a token.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from rosin.rest.auth.identity import SCOPES
from rosin.rest.auth.sessions import digest

#: How the secret begins, so that people and scanners know it for what it is.
PREFIX = "rosin_"
_MOST = 1000
_LARGEST = 1 << 20
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,64}")
_SECRET = re.compile(r"rosin_[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of a token.

    Attributes:
        id: names it for people; opens nothing.
        digest: SHA-256 of the secret, in hexadecimal digits.
        name: what it is for.
        user: whose it is; empty for the owner's.
        scopes: some of :data:`rosin.rest.auth.identity.SCOPES`.
        created, expires: seconds since the epoch; *expires* may be None, for never.
    """

    id: str
    digest: str
    name: str
    user: str
    scopes: tuple[str, ...]
    created: float
    expires: float | None


def parse_scopes(text: str) -> tuple[str, ...]:
    """Scopes as a list with commas, in their order. Raises ValueError that names what is none."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in SCOPES:
            raise ValueError(f"expected some of {','.join(SCOPES)}, such as read,submit, got '{word[:40]}'")
    if not words:
        raise ValueError(f"expected some of {','.join(SCOPES)}, such as read,submit, got nothing")
    return tuple(scope for scope in SCOPES if scope in words)


def default_path() -> str:
    """The file of this user's tokens: ``$XDG_STATE_HOME/rosin/tokens.json``."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        state = os.path.expanduser("~/.local/state")
    return os.path.join(state, "rosin", "tokens.json")


class TokenStore:
    """Tokens in a file; without a path, in memory only."""

    def __init__(self, path: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._tokens: dict[str, ApiToken] = {}  # by digest
        self._seen: tuple[int, ...] | None = None
        self.used: dict[str, float] = {}  # by id: when last, of this server

    # -- use ----------------------------------------------------------------------------------------

    def find(self, secret: str) -> ApiToken | None:
        """The token of this secret; None if there is none or it is over. Raises OSError and ValueError."""
        if _SECRET.fullmatch(secret) is None:
            return None
        self._load()
        # Found by its digest: how long that takes tells nothing of a secret.
        token = self._tokens.get(digest(secret).hex())
        now = self._clock()
        if token is None or (token.expires is not None and token.expires <= now):
            return None
        self.used[token.id] = now
        return token

    def all(self) -> list[ApiToken]:
        """All tokens, in the order in which they were made. Raises OSError and ValueError."""
        self._load()
        return list(self._tokens.values())

    # -- change -------------------------------------------------------------------------------------

    def create(
        self, name: str, scopes: tuple[str, ...], lifetime: float | None = None, user: str = ""
    ) -> tuple[str, ApiToken]:
        """A new token that lives for *lifetime* seconds (None: until it is revoked), and its secret.

        The secret is kept nowhere. Raises OSError, and ValueError for a name that cannot be one.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError("name: expected 1 to 64 characters, such as 'nightly build'")
        secret, now = PREFIX + secrets.token_urlsafe(32), self._clock()
        with self._changing():
            for key in [
                key for key, one in self._tokens.items() if one.expires is not None and one.expires <= now
            ]:
                del self._tokens[key]
            if len(self._tokens) >= _MOST:
                raise ValueError(f"there are {_MOST} tokens: revoke some of them (rosin token list)")
            end = None if lifetime is None else now + lifetime
            token = ApiToken(
                secrets.token_hex(6),
                digest(secret).hex(),
                name,
                user,
                parse_scopes(",".join(scopes)),
                now,
                end,
            )
            self._tokens[token.digest] = token
        return secret, token

    def revoke(self, ident: str, user: str | None = None) -> ApiToken | None:
        """Revoke the token with this id, of *user* if that is given; None if there is none."""
        if _ID.fullmatch(ident) is None:
            return None
        with self._changing():
            for key, token in self._tokens.items():
                if token.id == ident and user in (None, token.user):
                    self.used.pop(ident, None)
                    return self._tokens.pop(key)
        return None

    # -- the file -----------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read the file if it has changed."""
        if self.path is None:
            return
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._tokens, self._seen = {}, None
            return
        with open(fd, "rb") as stream:
            about = os.fstat(fd)
            seen = (about.st_ino, about.st_size, about.st_mtime_ns)
            if seen == self._seen:
                return
            self._check_file(about)
            self._tokens = {token.digest: token for token in _decode(stream.read(_LARGEST), self.path)}
            self._seen = seen

    def _check_file(self, about: os.stat_result) -> None:
        """Raises ValueError for a file into which others could write a token of their own."""
        if about.st_uid not in (os.geteuid(), 0):
            raise ValueError(f"{self.path}: it belongs to another user")
        if stat.S_IMODE(about.st_mode) & 0o022:
            raise ValueError(f"{self.path}: others can write it: chmod 600 {self.path}")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock, and write the file when all was well."""
        if self.path is None:
            yield
            return
        folder = os.path.dirname(self.path) or "."
        os.makedirs(folder, 0o700, exist_ok=True)
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._load()
            before = dict(self._tokens)
            try:
                yield
                if before != self._tokens:
                    self._write()
            except BaseException:
                self._tokens = before
                raise
        finally:
            os.close(lock)

    def _write(self) -> None:
        assert self.path is not None
        rows = [{**asdict(token), "scopes": list(token.scopes)} for token in self._tokens.values()]
        draft = f"{self.path}.new"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(fd, "w", encoding="utf-8") as stream:
            json.dump({"version": 1, "tokens": rows}, stream, indent=1)
            stream.write("\n")
            stream.flush()
            os.fsync(fd)
        os.replace(draft, self.path)
        self._seen = None


def _decode(data: bytes, path: str) -> list[ApiToken]:
    """Raises ValueError that names the file."""
    try:
        whole = json.loads(data)
        if whole["version"] != 1:
            raise ValueError("it is of a newer version")
        return [_token(row) for row in whole["tokens"]]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ValueError(f"{path}: not a file of tokens: {exc}") from None


def _token(row: dict[str, Any]) -> ApiToken:
    token = ApiToken(**{**row, "scopes": parse_scopes(",".join(row["scopes"]))})
    texts = (token.id, token.digest, token.name, token.user)
    if not all(isinstance(text, str) for text in texts) or not re.fullmatch(r"[0-9a-f]{64}", token.digest):
        raise ValueError("a token has another form")
    times = (token.created, 0.0 if token.expires is None else token.expires)
    if not all(isinstance(number, int | float) for number in times):
        raise ValueError("a token has another form")
    return token
