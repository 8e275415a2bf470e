# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: signed requests. Only what was signed counts, and it must name the topic it was signed for."""

from __future__ import annotations

import errno
from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc import sign


def payload(args: dict[str, Any], topic: str, userid: int, server_uid: int, required: bool) -> dict[str, Any]:
    """The payload to act upon: ``args`` itself, or the signed object inside it.

    Raises OSError (EPERM) when a signature is missing although required, does not verify, belongs to someone
    else than the sender or the server's user, or was made for another topic; FormatError when it
    is not a string or does not hold an object.
    """
    if "signature" not in args:
        if required:
            raise OSError(errno.EPERM, "request signature required")
        return args
    signature = args["signature"]
    if not isinstance(signature, str):
        raise FormatError("signature field is not a string")
    try:
        data, signer, mechanism = sign.unwrap(signature)
    except FormatError:
        raise OSError(errno.EPERM, "signature verification failed") from None
    # "none" proves nothing, so it serves only where no proof is asked for; no other can be verified here.
    if required or mechanism != "none":
        raise OSError(errno.EPERM, "signature verification not available")
    if signer != userid:
        raise OSError(errno.EPERM, "signing userid does not match requestor")
    if signer != server_uid:
        raise OSError(errno.EPERM, "signing userid does not match server userid")
    try:
        inner = _json.loads(data.rstrip(b"\0"))
    except ValueError:
        raise FormatError("could not parse signed payload") from None
    if not isinstance(inner, dict):
        raise FormatError("could not parse signed payload")
    if inner.get("topic") != topic:
        raise OSError(errno.EPERM, "topic mismatch in signed payload")
    return inner
