# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who may come in: the owner's name and token, as HTTP Basic, as a bearer token, or as an access token (JWT).

Access tokens are signed with a key of this process that nobody else has; the key with which clients of
``/v1/token`` sign their requests opens nothing by itself.
"""

from __future__ import annotations

import hmac
import secrets
import time
import warnings
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections import OrderedDict
from collections.abc import Callable

import jwt

from rosin.rest.problem import Problem
from rosin.rest.settings import Settings

#: Failed logins that an address may make at once, and the seconds after which it has one more.
BURST = 10
REFILL = 6.0
_ADDRESSES = 4096
_MAX_HEADER = 8192

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
            text = a2b_base64(value, strict_mode=True).decode()
        except (Base64Error, ValueError):
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

    def exchange(self, token: str) -> bool:
        """Whether a client's request for an access token, signed with the shared key, is the owner's."""
        key = self.settings.secret_key
        if not key or not self.settings.protected:
            return False
        try:
            with warnings.catch_warnings():
                # Existing keys may be shorter than today's advice.
                warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
                claims = jwt.decode(token[:_MAX_HEADER], key, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return False
        user, password = claims.get("user"), claims.get("pass")
        if claims.get("scope") != "token" or not isinstance(user, str) or not isinstance(password, str):
            return False
        return self.password(user, password)
