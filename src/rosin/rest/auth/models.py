# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests and answers that concern sessions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rosin.rest.models import Answer


class SessionInfo(Answer):
    """Who asks."""

    user: str
    userid: int = Field(description="the account whose jobs are this user's own")
    role: str = Field(description="owner, or guest")
    scopes: list[str] = Field(description="what the credentials are for: read, submit, control, admin")
    via: str = Field(description="connection, password, token, access, session, or open: by what")
    csrf: str = Field(description="what a page sends as X-CSRF-Token; empty without a session")


class LoginLink(Answer):
    """A link that signs in once."""

    path: str = Field(description="to be put after the server's address")
    seconds: int = Field(description="until it is too old")


class SignIn(BaseModel):
    """A name and a token."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(max_length=1024)
    password: str = Field(max_length=4096)
    next: str = Field("/", max_length=4096, description="where a form goes on: a path of this server")


class TokenInfo(Answer):
    """What is known of a token."""

    id: str
    name: str
    user: str = Field(description="whose it is; empty for the owner's")
    scopes: list[str]
    created: float
    expires: float | None = Field(description="seconds since the epoch, or null for never")
    used: float | None = Field(description="when it was last used with this server, if it was")


class TokenList(Answer):
    """Tokens."""

    tokens: list[TokenInfo]


class TokenSecret(TokenInfo):
    """A new token."""

    token: str = Field(description="the secret, to be sent as Authorization: Bearer; it is not kept")


class NewToken(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64, description="what it is for")
    scopes: list[Literal["read", "submit", "control", "admin"]] = Field(
        default=["read"], min_length=1, max_length=4
    )
    expires: str = Field("90d", max_length=32, description="how long it lives (FSD), or never")


class DeadDelivery(Answer):
    """A message that could not be delivered."""

    id: str
    type: str
    time: float
    attempts: int
    error: str


class WebhookInfo(Answer):
    """A webhook."""

    id: str
    user: str
    url: str
    events: list[str]
    job: str | None
    created: float
    state: str = Field(description="active, failing (its last message is dead), or stopped until a retry")
    reason: str
    waiting: int
    delivered: int
    lost: int = Field(description="messages for which there was no room")
    dead: list[DeadDelivery] = Field(description="the last ones that could not be delivered")


class WebhookList(Answer):
    """Webhooks."""

    webhooks: list[WebhookInfo]


class WebhookSecret(WebhookInfo):
    """A new webhook."""

    secret: str = Field(description="the key of the signatures (whsec_: base64)")


class Retried(Answer):
    """What is tried once more."""

    messages: int


class NewWebhook(BaseModel):
    """A webhook to be made."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2048, description="https:// or http://")
    events: list[str] = Field(
        default=["*"], min_length=1, max_length=64, description="names of RFC 21's events, or *"
    )
    secret: str | None = Field(None, max_length=256, description="made if there is none")
    job: str | None = Field(None, max_length=256, description="events of this job only")
