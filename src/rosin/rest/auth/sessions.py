# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sessions of browsers: a random cookie, of which the server keeps only the digest.

Cookies know no ports: a browser sends one that it has from here to every server on this host. So a session
belongs to the user of the machine whose connection has opened it, where the kernel tells; another user, who
has got hold of the cookie with a server of their own, is not let in by it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from rosin.rest.auth.identity import Identity

#: Seconds after which a session ends that is not used, and after which it ends anyway.
IDLE = 12 * 3600.0
LONGEST = 7 * 86400.0
_MOST, _MOST_OF_USER = 1024, 64
#: Characters of a cookie that is looked at.
_MAX_COOKIE = 128
#: Seconds after which it is written again when a session was used.
_SELDOM = 60.0
_BYTES = 32
_MOST_VALUES = 8


def digest(secret: str) -> bytes:
    """What is kept of a random secret: nobody gets in with it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class KnownSession(NamedTuple):
    """What is kept of a session; times are seconds since the epoch."""

    user: str
    uid: int | None
    begun: float
    used: float


@dataclass(slots=True)
class WebSession:
    """One signed-in browser.

    Attributes:
        identity: who signed in.
        csrf: what its pages add to requests that change something; other sites do not know it.
        uid: the user of this machine who opened it, None where the kernel does not tell.
        begun, used: seconds since the epoch; *kept*: what of *used* is known to outlive the server.
    """

    identity: Identity
    csrf: str
    uid: int | None
    begun: float
    used: float
    kept: float


class KnownSessions(Protocol):
    """Where sessions outlive a server (:class:`rosin.rest.serverstate.ServerState`)."""

    def keep_session(self, digest: bytes, session: KnownSession, /) -> None: ...
    def session(self, digest: bytes, /) -> KnownSession | None: ...
    def end_session(self, digest: bytes, /) -> None: ...
    def end_sessions(self, user: str, /) -> None: ...


class Sessions:
    """The sessions of one server; those in *state* are of its life before, too."""

    def __init__(self, clock: Callable[[], float] = time.time, state: KnownSessions | None = None) -> None:
        self._clock = clock
        self._state = state
        self._found: OrderedDict[bytes, WebSession] = OrderedDict()  # the least recently used first

    def begin(self, identity: Identity, uid: int | None) -> tuple[str, WebSession]:
        """A new session; returns the cookie's value, which is kept nowhere."""
        now = self._clock()
        secret = secrets.token_urlsafe(_BYTES)
        session = WebSession(replace(identity, via="session"), _csrf(secret), uid, now, now, now)
        own = [key for key, found in self._found.items() if found.identity.name == identity.name]
        if len(own) >= _MOST_OF_USER:  # nobody signs others out by signing in
            self._forget(own[0])
        elif len(self._found) >= _MOST:
            self._forget(next(iter(self._found)))
        key = digest(secret)
        self._found[key] = session
        self._keep(key, session)
        return secret, session

    def _keep(self, key: bytes, session: WebSession) -> None:
        session.kept = session.used
        if self._state is not None:
            row = KnownSession(session.identity.name, session.uid, session.begun, session.used)
            self._state.keep_session(key, row)

    def _forget(self, key: bytes) -> None:
        self._found.pop(key, None)
        if self._state is not None:
            self._state.end_session(key)

    def _remember(self, key: bytes, cookie: str) -> WebSession | None:
        """A session of the server's life before, with no rights until somebody knows its user."""
        row = None if self._state is None else self._state.session(key)
        if row is None:
            return None
        if len(self._found) >= _MOST:
            self._found.popitem(last=False)
        nobody = Identity(row.user, -1, False, frozenset(), "session")
        session = WebSession(nobody, _csrf(cookie), row.uid, row.begun, row.used, row.used)
        self._found[key] = session
        return session

    def find(self, cookie: str, uid: int | None) -> WebSession | None:
        """The session of a cookie that has come over a connection of *uid*; None if there is none."""
        if not cookie or len(cookie) > _MAX_COOKIE:
            return None
        key, now = digest(cookie), self._clock()
        session = self._found.get(key) or self._remember(key, cookie)
        if session is None or session.uid != uid:
            return None
        if now - session.used >= IDLE or now - session.begun >= LONGEST:
            self._forget(key)
            return None
        session.used = now
        if now - session.kept >= _SELDOM:
            self._keep(key, session)
        self._found.move_to_end(key)
        return session

    def end(self, session: WebSession) -> None:
        """Sign out."""
        self._drop(lambda found: found is session)

    def end_all(self, name: str) -> None:
        """Sign out everywhere: the user's rights have changed."""
        self._drop(lambda found: found.identity.name == name)
        if self._state is not None:
            self._state.end_sessions(name)

    def _drop(self, over: Callable[[WebSession], bool]) -> None:
        for key in [key for key, session in self._found.items() if over(session)]:
            self._forget(key)


def _csrf(secret: str) -> str:
    """What follows from a cookie and does not tell it, so that it need not be kept."""
    made = hmac.digest(secret.encode("utf-8", "surrogatepass"), b"csrf", "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def cookie_values(headers: Iterable[str], name: str) -> list[str]:
    """The values of a cookie, which another server on this host may have given a second one."""
    pairs = (part.strip().partition("=") for header in headers for part in header.split(";"))
    return [value for key, _, value in pairs if key == name][:_MOST_VALUES]


def same(given: str, expected: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )
