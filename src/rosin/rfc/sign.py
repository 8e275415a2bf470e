# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 39: the text envelope ``HEADER.PAYLOAD.SIGNATURE`` of signed content such as a job request (J).

HEADER is the base64 of an RFC 38 map, PAYLOAD the base64 of any bytes, and the signature covers the text of
both with the period between them. Mechanism ``none`` is complete here: its signature is the word ``none``,
and what it proves is only that the claimed user id is the one that the transport vouches for, which the
receiver has to compare. Of ``munge`` and ``curve`` (flux-security's, which the RFC does not describe) the
pure part is here; :mod:`rosin.security` signs and verifies with daemon and keys.
"""

from __future__ import annotations

from rosin import _base64
from rosin.errors import FormatError
from rosin.rfc import kvenc
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.rfc.munge import Reply

VERSION = 1
_MAX_USERID = 0xFFFFFFFE  # 0xffffffff is FLUX_USERID_UNKNOWN
_SHA256 = b"\1"  # first byte of what munge signs: the hash algorithm


class Envelope:
    """A parsed envelope; its signature is not verified.

    Attributes:
        text: what the signature covers, ``HEADER.PAYLOAD`` as received.
        header: all keys of the header. ``userid`` and ``mechanism`` are two of them.
        payload: the signed bytes.
        signature: the text behind the second period.
    """

    __slots__ = ("header", "mechanism", "payload", "signature", "text", "userid")

    def __init__(
        self,
        text: str,
        header: dict[str, kvenc.Value],
        payload: bytes,
        signature: str,
        mechanism: str,
        userid: int,
    ) -> None:
        self.text = text
        self.header = header
        self.payload = payload
        self.signature = signature
        self.mechanism = mechanism
        self.userid = userid


def header(userid: int, mechanism: str = "none", more: Mapping[str, kvenc.Value] | None = None) -> str:
    """Return the encoded header, its keys in flux-core's order, then *more*, those of the mechanism.

    FormatError: an invalid *userid*, or a value that RFC 38 cannot hold."""
    if not 0 <= userid <= _MAX_USERID:
        raise FormatError(f"sign: {userid} is not a valid user id")
    return _base64.encode(
        kvenc.encode({"version": VERSION, "mechanism": mechanism, "userid": userid, **(more or {})})
    )


def signed_text(encoded_header: str, payload: bytes | str) -> str:
    """Return ``HEADER.PAYLOAD``, the text that a mechanism signs; a str *payload* becomes UTF-8."""
    return f"{encoded_header}.{_base64.encode(payload.encode() if isinstance(payload, str) else payload)}"


def join(text: str, signature: str) -> str:
    """Return the envelope of a signed text and its signature. FormatError: a signature that cannot be."""
    if not signature or "." in signature or "\0" in signature:
        raise FormatError("sign: the signature is empty or holds a period or a NUL")
    return f"{text}.{signature}"


def wrap(payload: bytes | str, userid: int) -> str:
    """Sign *payload* (text becomes UTF-8) with mechanism none. FormatError: an invalid *userid*."""
    return f"{signed_text(header(userid), payload)}.none"


def parse(envelope: str) -> Envelope:
    """Take an envelope apart. FormatError: it is malformed, or claims mechanism none with a signature."""
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
    if not parts[2] or "\0" in parts[2]:
        raise FormatError("sign: the signature is empty or holds a NUL")
    payload = _unbase64(parts[1], "payload")
    return Envelope(f"{parts[0]}.{parts[1]}", fields, payload, parts[2], mechanism, userid)


def unwrap(envelope: str) -> tuple[bytes, int, str]:
    """Open an envelope without verifying its signature: (payload, claimed user id, mechanism).

    For mechanism ``none`` the form of the signature is checked; the caller must compare the user id with the
    sender's. Any other mechanism needs its own verification over the text as received. Raises FormatError.
    """
    opened = parse(envelope)
    return opened.payload, opened.userid, opened.mechanism


def none_fault(envelope: Envelope, real_userid: int) -> str | None:
    """Tell why mechanism ``none`` does not hold for a process of user *real_userid*, or None."""
    if envelope.mechanism != "none" or envelope.signature != "none":
        return "the signature is not the word none"
    if envelope.userid != real_userid:
        return f"user {envelope.userid} is claimed by user {real_userid}"
    return None


def munge_payload(text: str) -> bytes:
    """Return what munge encodes for the signed *text*: the kind of hash and the SHA-256 digest, 33 bytes."""
    from hashlib import sha256  # costs a command that never signs nothing

    return _SHA256 + sha256(text.encode()).digest()


def munge_fault(envelope: Envelope, reply: Reply, now: int, max_ttl: int) -> str | None:
    """Tell why munged's answer *reply* for the signature does not prove the envelope, or None.

    *now* is seconds since the epoch, *max_ttl* the seconds for which the site takes a signature. That munge
    has seen the credential before, or that munge's own time to live is over, is no fault.
    """
    from rosin.rfc import munge

    if reply.status not in (munge.SUCCESS, munge.CRED_REPLAYED, munge.CRED_EXPIRED):
        return reply.error()
    if reply.data[:1] != _SHA256:
        return "unknown hash type"
    if reply.data != munge_payload(envelope.text):
        return "the content was changed after it was signed"
    if reply.uid != envelope.userid:
        return f"user {envelope.userid} is claimed, but user {reply.uid} signed"
    if reply.encode_time + max_ttl < now:
        return f"the signature is older than {max_ttl} seconds"
    return None


def _unbase64(text: str, what: str) -> bytes:
    try:
        return _base64.decode(text)
    except ValueError:
        raise FormatError(f"sign: {what}: not base64 text") from None
