# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who may come in: the owner's name and token, as HTTP Basic, as a bearer token, or as an access token (JWT).

Access tokens are signed with a key of this process that nobody else has; the key with which clients of
``/v1/token`` sign their requests opens nothing by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jwt

from rosin import _base64
from rosin.rest.problem import Problem
from rosin.rest.settings import Settings

#: Failed logins that an address may make at once, and the seconds after which it has one more.
BURST = 10
REFILL = 6.0
_ADDRESSES = 4096
_MAX_HEADER = 8192
#: How far ahead the end of a signed request for a token may be, in seconds, and how many are remembered.
LONGEST = 300
_REMEMBERED = 4096
#: Why a signed request is refused that is not the owner's.
WRONG = "wrong"

CHALLENGE = {"WWW-Authenticate": 'Basic realm="Rosin", charset="UTF-8"'}
BEARER_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Failures:
    """How many failed logins each address has left: a bucket that refills with time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _level(self, address: str) -> float:
        spent, since = self._spent.get(address, (0.0, 0.0))
        return max(0.0, spent - (self._clock() - since) / REFILL)

    def add(self, address: str) -> None:
        """Count a failure."""
        self._spent[address] = (min(self._level(address) + 1, BURST), self._clock())
        self._spent.move_to_end(address)
        if len(self._spent) > _ADDRESSES:
            self._spent.popitem(last=False)

    def locked(self, address: str) -> int:
        """Seconds until the address may try again, 0 for now."""
        over = self._level(address) - (BURST - 1)
        return int(over * REFILL) + 1 if over > 0 else 0


class Authenticator:
    """Checks credentials against the settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.failures = Failures()
        self._key = secrets.token_bytes(32)
        self._used: dict[bytes, float] = {}  # signed requests, until they end

    def check(self, header: str | None, address: str) -> str | None:
        """The user of an Authorization header; None if there is none or it is wrong.

        Raises Problem 429 for a wrong one from an address that has failed too often. Right credentials
        come in whatever others have tried: nobody can lock the owner out.
        """
        if not self.settings.protected:
            return self.settings.user
        if not header:
            return None
        scheme, _, value = header[:_MAX_HEADER].partition(" ")
        value = value.strip()
        if scheme.lower() == "basic":
            if self._basic(value):
                return self.settings.user
        elif scheme.lower() == "bearer":
            if self._same(value, self.settings.token):
                return self.settings.user
            try:
                return self._access(value)
            except jwt.ExpiredSignatureError:
                return None  # it was good once: no attempt to guess
            except jwt.InvalidTokenError:
                pass
        self.failed(address)
        return None

    def failed(self, address: str) -> None:
        """Count wrong credentials. Raises Problem 429 for an address that has failed too often."""
        seconds = self.failures.locked(address)
        if seconds:
            text = f"too many failed logins from this address; try again in {seconds} seconds"
            raise Problem(429, text, {"Retry-After": str(seconds)})
        self.failures.add(address)

    def password(self, user: str, password: str) -> bool:
        """Whether these are the owner's name and token; both are always compared, in constant time."""
        right_user = self._same(user, self.settings.user)
        return self._same(password, self.settings.token) and right_user

    @staticmethod
    def _same(given: str, expected: str | None) -> bool:
        return expected is not None and hmac.compare_digest(
            given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
        )

    def _basic(self, value: str) -> bool:
        try:
            text = _base64.decode(value).decode()
        except ValueError:
            return False
        user, colon, password = text.partition(":")
        return bool(colon) and self.password(user, password)

    # -- access tokens ----------------------------------------------------------------------------

    def issue(self) -> str:
        """A new access token for the owner."""
        now = int(time.time())
        claims = {"sub": self.settings.user, "iat": now, "exp": now + 60 * self.settings.token_minutes}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def _access(self, token: str) -> str:
        claims = jwt.decode(token, self._key, algorithms=["HS256"], options={"require": ["exp", "sub"]})
        return str(claims["sub"])

    def exchange(self, token: str, own_user: bool) -> str | None:
        """Why a client's request for an access token, signed with the shared key, is refused; None if not.

        Each is good once and for a short time, or whoever hears one could use it for ever. Those of
        flux-restful-api's clients have no end: they are taken from processes of the server's own user
        (*own_user*), whom nobody hears, and from others if the settings say so.
        """
        key = self.settings.secret_key
        if not key or not self.settings.protected:
            return WRONG
        try:
            with warnings.catch_warnings():
                # Existing keys may be shorter than today's advice.
                warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
                claims = jwt.decode(token[:_MAX_HEADER], key, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return WRONG
        user, password = claims.get("user"), claims.get("pass")
        if claims.get("scope") != "token" or not isinstance(user, str) or not isinstance(password, str):
            return WRONG
        if not self.password(user, password):
            return WRONG
        if "exp" not in claims and (own_user or self.settings.endless_requests):
            return None
        return self._once(token, claims.get("exp"))

    def _once(self, token: str, end: Any) -> str | None:
        """Why a genuine request is refused: it has no near end, or it was here before."""
        now = time.time()
        if not isinstance(end, int | float) or not now <= end <= now + LONGEST:
            return f"the request needs an exp at most {LONGEST} seconds ahead, and a jti"
        for old in [digest for digest, until in self._used.items() if until < now]:
            del self._used[old]
        # Of what was signed: the signature itself can be spelled in several ways.
        digest = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
        if digest in self._used:
            return "the request was used before: each needs a jti of its own"
        if len(self._used) >= _REMEMBERED:
            return "too many requests for tokens: try again in some minutes"
        self._used[digest] = float(end)
        return None
