# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the server is told by its command line and environment."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

_MAX_SECRET = 1 << 16
_ENDLESS = "FLUX_ENDLESS_TOKEN_REQUESTS"
_SHORT = 16
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})

#: Addresses, networks, and None for a UNIX socket.
Proxies = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network | None, ...]


@dataclass(frozen=True)
class Settings:
    """The settings of one server.

    Attributes:
        uri: the instance; None means FLUX_URI and so on.
        ends: the server ends when its instance has gone, instead of waiting for its return.
        user, token: the owner's credentials; without a token there is no authentication.
        secret_key: the key that clients of ``/v1/token`` sign their requests with.
        endless_requests: take requests for a token without an end, as flux-restful-api's clients sign them,
            from everywhere.
        token_minutes: lifetime of access tokens.
        hosts: values of the Host header to answer to; empty means any.
        proxies: addresses of proxies whose X-Forwarded-For is believed; none by default.
        same_user: answer only to processes of this user (loopback without credentials).
        tokens: the file of API tokens; None keeps them in memory.
        state: the file of what outlives the server (sessions, webhooks, answers); None keeps it in memory.
        users: the file of users beside the owner.
        audit: the file of the audit log.
        rate: requests a second of each known user; 0 for any number.
        webhook_networks: networks beside the internet to which webhooks may deliver.
        cookie: the name of the session's cookie; each server of a host has its own.
        body_limit: largest request body in bytes.
        option_flags: shell options of every job (``-ompi=none -overbose=1``).
        legacy_wait: seconds that ``/v1/jobs/ID/output`` waits for a running job, below the 5 seconds that
            its client waits.
        reply_timeout: seconds to wait for the instance's answer to one request.
    """

    uri: str | None = None
    ends: bool = False
    user: str = "fluxuser"
    token: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    endless_requests: bool = False
    token_minutes: int = 600
    hosts: tuple[str, ...] = ()
    proxies: Proxies = ()
    same_user: bool = False
    tokens: str | None = None
    state: str | None = None
    users: str | None = None
    audit: str | None = None
    rate: float = 0.0
    webhook_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    cookie: str = "rosin"
    body_limit: int = 1 << 20
    option_flags: str = ""
    legacy_wait: float = 4.0
    reply_timeout: float = 30.0

    @property
    def weak(self) -> bool:
        """Whether the token can be guessed: nobody is locked out for wrong guesses, so it must be long."""
        return self.token is not None and len(self.token) < _SHORT

    @property
    def protected(self) -> bool:
        """Whether requests need credentials."""
        return self.token is not None or self.users is not None


def boolean(name: str, text: str) -> bool:
    """Read a boolean variable. Raises ValueError that names it."""
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"{name}: expected true or false, got '{text}'")


def parse_proxy(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """An address, a network such as 10.0.0.0/8, or ``unix`` (None). Raises ValueError that names it."""
    try:
        return None if text == "unix" else ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"--trusted-proxy: expected an address, a network such as 10.0.0.0/8, or unix, got '{text}'"
        ) from None


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address or a network such as 10.0.0.0/8. Raises ValueError that names the option."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"--allow-webhook: expected an address or a network such as 10.0.0.0/8, got '{text}'"
        ) from None


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as proxies write it, also with a port; None if it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_proxy(address: str | None, proxies: Proxies) -> bool:
    """Whether a connection from *address* (None: from a UNIX socket) is a proxy's."""
    if address is None:
        return None in proxies
    parsed = parse_address(address)
    return parsed is not None and any(net is not None and parsed in net for net in proxies)


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]").split("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(name: str, environ: MutableMapping[str, str], secrets: Mapping[str, str]) -> str:
    """The value of *name*, or the text of the file that NAME_FILE names. Raises OSError and ValueError."""
    value = environ.pop(name, secrets.get(name, ""))
    path = environ.get(f"{name}_FILE", "")
    if not path:
        return value
    if value:
        raise ValueError(f"{name} and {name}_FILE are both set: choose one")
    try:
        with open(path, encoding="utf-8") as stream:
            value = stream.read(_MAX_SECRET).strip()
            shared = os.fstat(stream.fileno()).st_mode & 0o077
    except OSError as exc:
        raise OSError(exc.errno, f"{name}_FILE: {path}: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}_FILE: {path} holds no text") from None
    if not value:
        raise ValueError(f"{name}_FILE: {path} is empty")
    if shared:
        sys.stderr.write(f"rosin-serve: warning: {path} can be opened by others: chmod 600 {path}\n")
    return value


def read_environment(
    environ: MutableMapping[str, str], secrets: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Read the server's variables into keyword arguments for :class:`Settings`.

    *secrets* came by descriptor (:mod:`rosin.process.credentials`); what *environ* holds goes first and is
    removed from it, so that nothing started from here inherits it. Raises ValueError for a value that makes
    no sense, OSError for a file that cannot be read.
    """
    user = environ.pop("FLUX_USER", "")
    token, key = (_secret(name, environ, secrets or {}) for name in ("FLUX_TOKEN", "FLUX_SECRET_KEY"))
    required = boolean("FLUX_REQUIRE_AUTH", environ.get("FLUX_REQUIRE_AUTH", ""))
    if required and not token:
        raise ValueError("FLUX_REQUIRE_AUTH is set but FLUX_TOKEN is not: set FLUX_USER and FLUX_TOKEN")
    if user and not token:
        raise ValueError("FLUX_USER is set but FLUX_TOKEN is not: set both, or neither")
    if ":" in user:
        raise ValueError("FLUX_USER: a user name cannot contain ':'")
    minutes = environ.get("FLUX_ACCESS_TOKEN_EXPIRES_MINUTES", "600")
    if not minutes.isdecimal() or int(minutes) < 1:
        raise ValueError(f"FLUX_ACCESS_TOKEN_EXPIRES_MINUTES: expected minutes, got '{minutes}'")
    return {
        "user": user or "fluxuser",
        "token": token or None,
        "secret_key": key or None,
        "endless_requests": boolean(_ENDLESS, environ.get(_ENDLESS, "")),
        "token_minutes": int(minutes),
        "option_flags": environ.get("FLUX_OPTION_FLAGS", ""),
    }
