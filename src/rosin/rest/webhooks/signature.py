# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signatures of deliveries, as the Standard Webhooks specification (1.0.0) has them.

``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over ``ID.TIMESTAMP.BODY``. The receiver
compares it, and refuses what is older than some minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from rosin import _base64

#: How a secret begins whose rest is base64.
PREFIX = "whsec_"
_SHORTEST, _LONGEST = 16, 128


def new_secret() -> str:
    """A random secret."""
    return PREFIX + _base64.encode(secrets.token_bytes(32))


def key(secret: str) -> bytes:
    """The key that a secret is. Raises ValueError for one that is too short to be one."""
    if secret.startswith(PREFIX):
        try:
            made = _base64.decode(secret.removeprefix(PREFIX))
        except ValueError:
            raise ValueError(f"secret: after {PREFIX} comes base64") from None
    else:
        made = secret.encode()
    if not _SHORTEST <= len(made) <= _LONGEST:
        raise ValueError(
            f"secret: expected {_SHORTEST} to {_LONGEST} bytes, such as those of openssl rand -hex 24"
        )
    return made


def headers(secret: bytes, ident: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt to deliver."""
    signed = f"{ident}.{timestamp}.".encode() + body
    made = _base64.encode(hmac.digest(secret, signed, hashlib.sha256))
    return {"webhook-id": ident, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{made}"}
