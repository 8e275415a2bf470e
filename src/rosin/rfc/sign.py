# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 39: the text envelope ``HEADER.PAYLOAD.SIGNATURE`` of signed content such as a job request (J).

HEADER is the base64 of an RFC 38 map, PAYLOAD the base64 of any bytes. Mechanism ``none`` is complete here:
its signature is the word ``none``, and what it proves is only that the claimed user id is the one that the
transport vouches for, which the receiver has to compare.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from rosin.errors import FormatError
from rosin.rfc import kvenc
from rosin.rfc.payload import describe

VERSION = 1
_MAX_USERID = 0xFFFFFFFE  # 0xffffffff is FLUX_USERID_UNKNOWN


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def header(userid: int, mechanism: str = "none") -> str:
    """Return the encoded header, its keys in flux-core's order. FormatError: an invalid *userid*."""
    if not 0 <= userid <= _MAX_USERID:
        raise FormatError(f"sign: {userid} is not a valid user id")
    return _base64(kvenc.encode({"version": VERSION, "mechanism": mechanism, "userid": userid}))


def wrap(payload: bytes | str, userid: int) -> str:
    """Sign *payload* (text becomes UTF-8) with mechanism none. FormatError: an invalid *userid*."""
    data = payload.encode() if isinstance(payload, str) else payload
    return f"{header(userid)}.{_base64(data)}.none"


def unwrap(envelope: str) -> tuple[bytes, int, str]:
    """Open an envelope without verifying its signature: (payload, claimed user id, mechanism).

    For mechanism ``none`` the form of the signature is checked; the caller must compare the user id with the
    sender's. Any other mechanism needs its own verification over the text as received. Raises FormatError.
    """
    parts = envelope.split(".", 3)
    if len(parts) != 3:
        raise FormatError("sign: expected HEADER.PAYLOAD.SIGNATURE")
    fields = kvenc.decode(_unbase64(parts[0], "header"))
    version, mechanism, userid = fields.get("version"), fields.get("mechanism"), fields.get("userid")
    if type(version) is not int or version != VERSION:
        raise FormatError(f"sign: header: expected version 1, got {describe(version)}")
    if not isinstance(mechanism, str) or not mechanism:
        raise FormatError(f"sign: header: expected a mechanism name, got {describe(mechanism)}")
    if type(userid) is not int or not 0 <= userid <= _MAX_USERID:
        raise FormatError(f"sign: header: expected a user id, got {describe(userid)}")
    if mechanism == "none" and parts[2] != "none":
        raise FormatError("sign: mechanism none: the signature must be the word none")
    if not parts[2]:
        raise FormatError("sign: the signature is empty")
    return _unbase64(parts[1], "payload"), userid, mechanism


def _unbase64(text: str, what: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        raise FormatError(f"sign: {what}: not base64 text") from None
