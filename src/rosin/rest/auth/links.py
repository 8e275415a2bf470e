# SPDX-License-Identifier: LGPL-3.0-or-later
"""One-time login links: who can read what the server prints may open a session, once and soon."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable

from rosin.rest.auth.identity import Identity
from rosin.rest.auth.sessions import digest

#: Seconds in which a link must be opened.
LIFETIME = 900.0
_MOST = 16
_MAX_TOKEN = 128


class LoginLinks:
    """The links of one server that nobody has opened yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[bytes, tuple[float, Identity]] = {}

    def make(self, identity: Identity) -> str:
        """The token of a new link for *identity*. Of too many the oldest goes."""
        token = secrets.token_urlsafe(32)
        self._open[digest(token)] = (self._clock() + LIFETIME, identity)
        while len(self._open) > _MOST:
            del self._open[next(iter(self._open))]
        return token

    def take(self, token: str) -> Identity | None:
        """Who opens a link with this token, which is then used up; None if it is not good."""
        wanted = digest(token[:_MAX_TOKEN])
        found = None
        for key in list(self._open):  # all of them are compared, in constant time
            if hmac.compare_digest(key, wanted):
                found = key
        if found is None:
            return None
        end, identity = self._open.pop(found)
        return identity if self._clock() < end else None
