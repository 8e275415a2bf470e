# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sessions of browsers: a random cookie, of which the server keeps only the digest.

Cookies know no ports: a browser sends one that it has from here to every server on this host. So a session
belongs to the user of the machine whose connection has opened it, where the kernel tells; another user, who
has got hold of the cookie with a server of their own, is not let in by it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rosin.rest.auth.identity import Identity

#: Seconds after which a session ends that is not used, and after which it ends anyway.
IDLE = 12 * 3600.0
LONGEST = 7 * 86400.0
_MOST, _MOST_OF_USER = 1024, 64
#: Characters of a cookie that is looked at.
_MAX_COOKIE = 128
_BYTES = 32
_MOST_VALUES = 8


def digest(secret: str) -> bytes:
    """What is kept of a random secret: nobody gets in with it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class WebSession:
    """One signed-in browser.

    Attributes:
        identity: who signed in.
        csrf: what its pages add to requests that change something; other sites do not know it.
        uid: the user of this machine who opened it, None where the kernel does not tell.
        begun, used: monotonic seconds.
    """

    identity: Identity
    csrf: str
    uid: int | None
    begun: float
    used: float


class Sessions:
    """The sessions of one server. They end with it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: OrderedDict[bytes, WebSession] = OrderedDict()  # the least recently used first

    def begin(self, identity: Identity, uid: int | None) -> tuple[str, WebSession]:
        """A new session; returns the cookie's value, which is kept nowhere."""
        now = self._clock()
        secret = secrets.token_urlsafe(_BYTES)
        session = WebSession(replace(identity, via="session"), secrets.token_urlsafe(_BYTES), uid, now, now)
        own = [key for key, found in self._found.items() if found.identity.name == identity.name]
        if len(own) >= _MOST_OF_USER:  # nobody signs others out by signing in
            del self._found[own[0]]
        elif len(self._found) >= _MOST:
            self._found.popitem(last=False)
        self._found[digest(secret)] = session
        return secret, session

    def find(self, cookie: str, uid: int | None) -> WebSession | None:
        """The session of a cookie that has come over a connection of *uid*; None if there is none."""
        if not cookie or len(cookie) > _MAX_COOKIE:
            return None
        key, now = digest(cookie), self._clock()
        session = self._found.get(key)
        if session is None or session.uid != uid:
            return None
        if now - session.used >= IDLE or now - session.begun >= LONGEST:
            del self._found[key]
            return None
        session.used = now
        self._found.move_to_end(key)
        return session

    def end(self, session: WebSession) -> None:
        """Sign out."""
        self._drop(lambda found: found is session)

    def end_all(self, name: str) -> None:
        """Sign out everywhere: the user's rights have changed."""
        self._drop(lambda found: found.identity.name == name)

    def _drop(self, over: Callable[[WebSession], bool]) -> None:
        for key in [key for key, session in self._found.items() if over(session)]:
            del self._found[key]


def cookie_values(headers: Iterable[str], name: str) -> list[str]:
    """The values of a cookie, which another server on this host may have given a second one."""
    pairs = (part.strip().partition("=") for header in headers for part in header.split(";"))
    return [value for key, _, value in pairs if key == name][:_MOST_VALUES]


def same(given: str, expected: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
