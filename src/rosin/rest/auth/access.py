# SPDX-License-Identifier: LGPL-3.0-or-later
"""Access tokens, and the signed requests for them, as flux-restful-api has them (JWT, RFC 7519, HS256).

Access tokens are signed with a key of this process that nobody else has; the key with which clients sign
their requests opens nothing by itself. Nothing in a token is looked at before its signature has been found
to be right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
import warnings
from typing import Any

import jwt

_MAX_TOKEN = 8192
#: How far ahead the end of a signed request may be, in seconds, and how many are remembered.
LONGEST = 300
_REMEMBERED = 4096


def claims_of(token: str, key: bytes, required: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """What a token says; None if it was not signed with *key* or says something impossible.

    Raises jwt.ExpiredSignatureError for one that was good once.
    """
    signed, _, signature = token.rpartition(".")
    if len(token) > _MAX_TOKEN or not signed.isascii() or not signature.isascii():
        return None
    try:
        given = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except binascii.Error:
        return None
    if not hmac.compare_digest(given, hmac.digest(key, signed.encode(), "sha256")):
        return None
    try:
        with warnings.catch_warnings():
            # Existing keys may be shorter than today's advice.
            warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
            return jwt.decode(token, key, algorithms=["HS256"], options={"require": list(required)})
    except jwt.ExpiredSignatureError:
        raise
    except (jwt.InvalidTokenError, ValueError, OverflowError, RecursionError):
        return None  # who has the key may still sign nonsense: an end that is no number, 6,000 brackets


class AccessTokens:
    """The access tokens of one server."""

    def __init__(self, minutes: int) -> None:
        self._minutes = minutes
        self._key = secrets.token_bytes(32)

    def issue(self, name: str) -> str:
        """A new token for the user *name*."""
        now = int(time.time())
        claims = {"sub": name, "iat": now, "exp": now + 60 * self._minutes}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def name(self, token: str) -> str | None:
        """The user of a token; None if it is wrong. Raises jwt.ExpiredSignatureError."""
        claims = claims_of(token, self._key, ("exp", "sub"))
        return None if claims is None else str(claims["sub"])


class SignedRequests:
    """Requests for access tokens that have been used: each is good once, and for a short time."""

    def __init__(self) -> None:
        self._used: dict[bytes, float] = {}  # until they end

    def refuse(self, token: str, end: Any) -> str | None:
        """Why a genuine request is refused, None if not: it has no near end, or it was here before."""
        now = time.time()
        if not isinstance(end, int | float) or not now <= end <= now + LONGEST:
            return f"the request needs an exp at most {LONGEST} seconds ahead, and a jti"
        for old in [key for key, until in self._used.items() if until < now]:
            del self._used[old]
        # Of what was signed: the signature itself can be spelled in several ways.
        key = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
        if key in self._used:
            return "the request was used before: each needs a jti of its own"
        if len(self._used) >= _REMEMBERED:
            return "too many requests for tokens: try again in some minutes"
        self._used[key] = float(end)
        return None
