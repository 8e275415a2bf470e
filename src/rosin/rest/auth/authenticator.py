# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who may come in: by name and token (HTTP Basic), a bearer token, an access token, a session, or because the
kernel says that the connection is the owner's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import replace

import jwt

from rosin import _base64
from rosin.rest.auth.access import AccessTokens, SignedRequests, claims_of
from rosin.rest.auth.identity import Identity
from rosin.rest.auth.links import LoginLinks
from rosin.rest.auth.sessions import KnownSessions, Sessions, WebSession, same
from rosin.rest.auth.throttle import Throttle
from rosin.rest.auth.tokens import PREFIX, TokenStore
from rosin.rest.auth.users import Users
from rosin.rest.problem import Problem
from rosin.rest.settings import Settings

_MAX_HEADER = 8192
#: Why a signed request is refused that is not the owner's.
WRONG = "wrong"

CHALLENGE = {"WWW-Authenticate": 'Basic realm="Rosin", charset="UTF-8"'}
BEARER_CHALLENGE = {"WWW-Authenticate": "Bearer"}


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Within this, a file that cannot be read is the operator's to know of, and lets nobody in."""
    try:
        yield
    except (OSError, ValueError) as exc:
        sys.stderr.write(f"rosin-serve: ERROR: {exc}\n")
        sys.stderr.flush()
        raise Problem(503, f"the {what} of this server cannot be read") from None


class Authenticator:
    """Checks credentials against the settings."""

    def __init__(self, settings: Settings, state: KnownSessions | None = None) -> None:
        self.settings = settings
        self.owner = Identity(settings.user, os.getuid())
        self.throttle = Throttle()
        self.access = AccessTokens(settings.token_minutes)
        self.sessions = Sessions(state=state)
        self.links = LoginLinks()
        self.tokens = TokenStore(settings.tokens)
        self.users = Users(settings.users)
        self._requests = SignedRequests()

    # -- what a request brings along --------------------------------------------------------------

    def ambient(self, uid: int | None) -> Identity | None:
        """Who comes without credentials over a connection of *uid*, a user of this machine."""
        if self.settings.same_user:
            return replace(self.owner, via="connection") if uid == os.getuid() else None
        return None if self.settings.protected else self.owner

    async def header(self, header: str, source: str) -> Identity | None:
        """The user of an Authorization header; None if it is wrong.

        Raises Problem 429 for a wrong one from a *source* that has failed too often. Right credentials
        come in whatever others have tried: nobody can lock the owner out.
        """
        scheme, _, value = header[:_MAX_HEADER].partition(" ")
        value = value.strip()
        if scheme.lower() == "basic":
            return await self._basic(value, source)
        if scheme.lower() == "bearer":
            return await self._bearer(value, source)
        self.throttle.failed(self.settings.user, source)
        return None

    async def _basic(self, value: str, source: str) -> Identity | None:
        try:
            text = _base64.decode(value).decode()
        except ValueError:
            text = ""
        user, colon, password = text.partition(":")
        if colon:
            return await self.password(user, password, source)
        self.throttle.failed(self.settings.user, source)
        return None

    def wants(self, header: str | None) -> bool:
        """Whether an Authorization header counts: without credentials of the owner only an API token does."""
        if header is None or self.settings.protected:
            return header is not None
        scheme, _, value = header[:_MAX_HEADER].partition(" ")
        return scheme.lower() == "bearer" and value.strip().startswith(PREFIX)

    def _api_token(self, value: str) -> Identity | None:
        """The user of an API token. Raises Problem 503 if its file cannot be read."""
        with _readable("tokens"):
            token = self.tokens.find(value)
        identity = None if token is None else self._named(token.user)
        if token is None or identity is None:
            return None
        scopes = frozenset(scope for scope in token.scopes if identity.allows(scope))
        return replace(identity, scopes=scopes, via="token")

    def _named(self, name: str) -> Identity | None:
        """The owner (also an empty name), or a user as the file has them now. Raises Problem 503."""
        if name in ("", self.owner.name):
            return self.owner
        with _readable("users"):
            return self.users.get(name)

    def session_of(self, cookie: str, uid: int | None) -> WebSession | None:
        """The session of a cookie that has come over a connection of *uid*, if its user still is one.

        Raises Problem 503.
        """
        session = self.sessions.find(cookie, uid)
        if session is None:
            return None
        now = self._named(session.identity.name)
        if now is None:
            self.sessions.end(session)
            return None
        session.identity = replace(now, via="session")
        return session

    async def _bearer(self, value: str, source: str) -> Identity | None:
        if value.startswith(PREFIX):
            identity = self._api_token(value)
            if identity is None:
                self.throttle.failed(self.settings.user, source)
            return identity
        if self.settings.token is not None:
            async with self._turn(self.settings.user, source):
                if same(value, self.settings.token):
                    return replace(self.owner, via="token")
        try:
            name = self.access.name(value)
        except jwt.ExpiredSignatureError:
            return None  # it was good once: no attempt to guess
        identity = None if name is None else self._named(name)
        if identity is not None:
            return replace(identity, via="access")
        self.throttle.failed(self.settings.user, source)
        return None

    # -- names and passwords ----------------------------------------------------------------------

    def _turn(self, name: str, source: str) -> AbstractAsyncContextManager[None]:
        """The wait before a secret is compared that can be guessed."""
        return self.throttle.turn(name, source) if self.settings.weak else nullcontext()

    async def password(self, user: str, password: str, source: str) -> Identity | None:
        """Who has this name and password; None, which is counted, if nobody has. Raises Problem 429."""
        owner = same(user, self.settings.user)
        if not owner and self.settings.users is not None:
            return await self._other(user, password, source)
        # Names that nobody has share a place, or one could make them without end.
        name = self.settings.user if owner else ""
        async with self._turn(name, source):
            if self._owns(user, password):
                return replace(self.owner, via="password")
        self.throttle.failed(name, source)
        return None

    async def _other(self, user: str, password: str, source: str) -> Identity | None:
        """A user of the file, whose password can be guessed. Raises Problem 429 and 503."""
        with _readable("users"):
            name = user if self.users.get(user) is not None else ""
        async with self.throttle.turn(name, source):
            with _readable("users"):
                identity = await self.users.check(user, password)
        if identity is None:
            self.throttle.failed(name, source)
        return identity

    def _owns(self, user: str, password: str) -> bool:
        """Whether these are the owner's name and token; both are always compared, in constant time."""
        right_user = same(user, self.settings.user)
        return self.settings.token is not None and same(password, self.settings.token) and right_user

    # -- access tokens ----------------------------------------------------------------------------

    def issue(self, identity: Identity) -> str:
        """A new access token."""
        return self.access.issue(identity.name)

    async def exchange(self, token: str, own_user: bool, source: str) -> Identity | str:
        """Who asks for an access token, by a request signed with the shared key; or why it is refused.

        Each is good once and for a short time, or whoever hears one could use it for ever. Those of
        flux-restful-api's clients have no end: they are taken from processes of the server's own user
        (*own_user*), whom nobody hears, and from others if the settings say so.
        """
        key = self.settings.secret_key
        if not key or not self.settings.protected:
            self.throttle.failed(self.settings.user, source)
            return WRONG
        try:
            claims = claims_of(token, key.encode("utf-8", "surrogatepass")) or {}
        except jwt.ExpiredSignatureError:
            claims = {}
        user, password = claims.get("user"), claims.get("pass")
        if claims.get("scope") != "token" or not isinstance(user, str) or not isinstance(password, str):
            self.throttle.failed(self.settings.user, source)
            return WRONG
        identity = await self.password(user, password, source)
        if identity is None:
            return WRONG
        if "exp" not in claims and (own_user or self.settings.endless_requests):
            return identity
        return self._requests.refuse(token, claims.get("exp")) or identity
