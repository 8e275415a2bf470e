# SPDX-License-Identifier: LGPL-3.0-or-later
"""Users beside the owner, from a file: whose account each is, what they may, and their passwords' hashes.

A file in TOML has a table for each::

    [bob]
    password = "scrypt:14:8:1:SALT:HASH"   # from rosin token password
    role = "guest"                         # or owner
    userid = 1001                          # default: that of the account bob
    scopes = ["read", "control"]           # default: these; for owners all

Guests have rights on the jobs of their account only. The file is read again when it has changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import pwd
import secrets
import stat
import tomllib
from dataclasses import dataclass
from typing import Any

from rosin import _base64
from rosin.rest.auth.identity import ALL, CONTROL, READ, Identity
from rosin.rest.auth.tokens import parse_scopes

_LOG_N, _R, _P = 14, 8, 1
_SALT, _LENGTH = 16, 32
_LARGEST = 1 << 20
_LARGEST_LOG_N, _LARGEST_R, _LARGEST_P = 17, 16, 4
_AT_ONCE = 2
_KEYS = frozenset({"password", "role", "userid", "scopes"})


def hash_password(password: str) -> str:
    """What the file has of a password (scrypt, RFC 7914)."""
    salt = secrets.token_bytes(_SALT)
    made = _scrypt(password, salt, _LOG_N, _R, _P)
    return f"scrypt:{_LOG_N}:{_R}:{_P}:{_base64.encode(salt)}:{_base64.encode(made)}"


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    text, n = password.encode("utf-8", "surrogatepass"), 1 << log_n
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r + (1 << 20), dklen=_LENGTH)


@dataclass(frozen=True, slots=True)
class _Hash:
    """A password's hash, read."""

    log_n: int
    r: int
    p: int
    salt: bytes
    made: bytes

    def fits(self, password: str) -> bool:
        """Whether this is the password; takes some tens of milliseconds."""
        return hmac.compare_digest(_scrypt(password, self.salt, self.log_n, self.r, self.p), self.made)


def _parse_hash(text: Any) -> _Hash:
    """Raises ValueError."""
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) == 6 and parts[0] == "scrypt" and all(part.isdecimal() for part in parts[1:4]):
        log_n, r, p = (int(part[:4]) for part in parts[1:4])
        salt, made = _base64.decode(parts[4]), _base64.decode(parts[5])
        small = 1 <= log_n <= _LARGEST_LOG_N and 1 <= r <= _LARGEST_R and 1 <= p <= _LARGEST_P
        if small and len(made) == _LENGTH:
            return _Hash(log_n, r, p, salt, made)
    raise ValueError("password: expected a line of 'rosin token password'")


#: What a password of a name that nobody has is compared with, so that it takes as long.
_NOBODY = _parse_hash(
    f"scrypt:{_LOG_N}:{_R}:{_P}:{_base64.encode(bytes(_SALT))}:{_base64.encode(bytes(_LENGTH))}"
)


class Users:
    """The users of a file; without a path, none."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path
        self._found: dict[str, tuple[Identity, _Hash]] = {}
        self._seen: tuple[int, ...] | None = None
        self._key = secrets.token_bytes(32)
        self._right: dict[str, tuple[_Hash, bytes]] = {}  # what was right lately costs nothing
        self._room = asyncio.Semaphore(_AT_ONCE)

    def get(self, name: str) -> Identity | None:
        """A user as the file has them now. Raises OSError and ValueError."""
        self.load()
        found = self._found.get(name)
        return None if found is None else found[0]

    async def check(self, name: str, password: str) -> Identity | None:
        """The user with this name and password. Raises OSError and ValueError."""
        self.load()
        identity, wanted = self._found.get(name, (None, _NOBODY))
        given = hmac.digest(self._key, password.encode("utf-8", "surrogatepass"), "sha256")
        known = self._right.get(name)
        if known is not None and known[0] is wanted and hmac.compare_digest(known[1], given):
            return identity
        async with self._room:
            right = await asyncio.to_thread(wanted.fits, password)
        if not right or identity is None:
            return None
        self._right[name] = (wanted, given)
        return identity

    def load(self) -> None:
        """Read the file if it has changed. Raises OSError and ValueError that names the file."""
        if self.path is None:
            return
        with open(self.path, "rb") as stream:
            about = os.fstat(stream.fileno())
            seen = (about.st_ino, about.st_size, about.st_mtime_ns)
            if seen == self._seen:
                return
            if about.st_uid not in (os.geteuid(), 0):
                raise ValueError(f"{self.path}: it belongs to another user")
            if stat.S_IMODE(about.st_mode) & 0o026:
                raise ValueError(f"{self.path}: others can read or write it: chmod 600 {self.path}")
            self._found = self._parse(stream.read(_LARGEST))
        self._seen = seen
        self._right.clear()

    def _parse(self, data: bytes) -> dict[str, tuple[Identity, _Hash]]:
        try:
            tables = tomllib.loads(data.decode())
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"{self.path}: {exc}") from None
        found = {}
        for name, table in tables.items():
            try:
                found[name] = _user(name, table)
            except ValueError as exc:
                raise ValueError(f"{self.path}: [{name}]: {exc}") from None
        return found


def _user(name: str, table: Any) -> tuple[Identity, _Hash]:
    """Raises ValueError."""
    if not isinstance(table, dict):
        raise ValueError("expected a table with password and role")
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        raise ValueError(f"{unknown[0]}: unknown; there are {', '.join(sorted(_KEYS))}")
    if not name or ":" in name or not name.isprintable() or len(name) > 256:
        raise ValueError("a name has no ':' and at most 256 characters")
    role = table.get("role", "guest")
    if role not in ("guest", "owner"):
        raise ValueError(f"role: expected guest or owner, got '{role}'")
    owner = role == "owner"
    given = table.get("scopes")
    if given is None:
        scopes = ALL if owner else frozenset({READ, CONTROL})
    elif isinstance(given, list) and all(isinstance(word, str) for word in given):
        scopes = frozenset(parse_scopes(",".join(given)))
    else:
        raise ValueError('scopes: expected a list such as ["read"]')
    userid = table.get("userid")
    if userid is None:
        userid = os.getuid() if owner else _account(name)
    if isinstance(userid, bool) or not isinstance(userid, int) or not 0 <= userid < 1 << 32:
        raise ValueError(f"userid: expected a number such as 1001, got '{userid}'")
    return Identity(name, userid, owner, scopes, "password"), _parse_hash(table.get("password"))


def _account(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"there is no account '{name}' here: set userid") from None
