# SPDX-License-Identifier: LGPL-3.0-or-later
"""Certificates of signing mechanism ``curve`` (RFC 39 names mechanisms; this one is flux-security's).

A certificate is an Ed25519 public key with metadata, signed by a certificate authority or not at all. It is
kept in two TOML files, ``NAME.pub`` and, with the secret key, ``NAME``, and travels in the header of a
signed envelope as RFC 38 pairs. This module is the formats; :mod:`rosin.security.curve` does the signing.
"""

from __future__ import annotations

from rosin import _base64
from rosin.errors import FormatError
from rosin.rfc import kvenc
from rosin.rfc.kvenc import Timestamp
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rosin.rfc.kvenc import Value

ALGORITHM = "ed25519"
PUBLIC_SIZE = 32
#: As libsodium keeps it: the seed, then the public key.
SECRET_SIZE = 64
SIGNATURE_SIZE = 64
#: Largest file that is read, in bytes.
MAX_FILE = 1 << 16
#: Where the pairs of a certificate and the times of a signature are in an envelope's header.
HEADER_PREFIX = "curve.cert."
CTIME, XTIME = "curve.ctime", "curve.xtime"


class Certificate:
    """A public key (32 bytes) with metadata, the signature of its issuer (64 bytes, or None), and for its
    owner the secret key (64 bytes, or None)."""

    __slots__ = ("meta", "public", "secret", "signature")

    def __init__(
        self,
        public: bytes,
        meta: dict[str, Value] | None = None,
        signature: bytes | None = None,
        secret: bytes | None = None,
    ) -> None:
        self.public = public
        self.meta: dict[str, Value] = {"algorithm": ALGORITHM} if meta is None else meta
        self.signature = signature
        self.secret = secret

    def same(self, other: Certificate) -> bool:
        """Tell whether key and metadata are the same; signatures and secret keys are not compared."""
        return self.public == other.public and kvenc.encode(self.meta) == kvenc.encode(other.meta)

    def get(self, key: str, kind: type) -> Any:
        """Return the metadata *key*, which must be a *kind*. FormatError: missing, or of another type."""
        value = self.meta.get(key)
        if type(value) is not kind:
            raise FormatError(f"sigcert: metadata: {key}: expected a {kind.__name__}, got {describe(value)}")
        return value

    def signed_bytes(self) -> bytes:
        """Return the bytes that the issuer signs: key and metadata. (The underscore is flux-security's.)"""
        return kvenc.encode(
            {"curve.public_key": _base64.encode(self.public), **_prefixed("meta.", self.meta)}
        )

    def pairs(self) -> dict[str, Value]:
        """Return the public part as RFC 38 pairs."""
        pairs = _prefixed("meta.", self.meta)
        pairs["curve.public-key"] = _base64.encode(self.public)
        if self.signature is not None:
            pairs["curve.signature"] = _base64.encode(self.signature)
        return pairs

    def __repr__(self) -> str:
        return f"Certificate({self.public.hex()[:8]}..., {self.meta!r})"


def from_pairs(pairs: Mapping[str, Value]) -> Certificate:
    """Make a certificate of its RFC 38 pairs. FormatError names the key."""
    meta = {key[len("meta.") :]: value for key, value in pairs.items() if key.startswith("meta.")}
    public = _key(pairs, "curve.public-key", PUBLIC_SIZE)
    signature = _key(pairs, "curve.signature", SIGNATURE_SIZE) if "curve.signature" in pairs else None
    return Certificate(public, meta, signature)


def to_header(certificate: Certificate, ctime: int, max_ttl: int) -> dict[str, Value]:
    """Return what mechanism ``curve`` adds to a header: certificate, time of signing and of expiry."""
    more = _prefixed(HEADER_PREFIX, certificate.pairs())
    more[CTIME], more[XTIME] = Timestamp(ctime), Timestamp(ctime + max_ttl)
    return more


def from_header(header: Mapping[str, Value]) -> tuple[Certificate, int, int]:
    """Return certificate, time of signing and of expiry from a header. FormatError names the key."""
    size = len(HEADER_PREFIX)
    certificate = from_pairs({k[size:]: v for k, v in header.items() if k.startswith(HEADER_PREFIX)})
    times = []
    for key in (CTIME, XTIME):
        value = header.get(key)
        if type(value) is not Timestamp:
            raise FormatError(f"sigcert: {key}: expected a timestamp, got {describe(value)}")
        times.append(int(value))
    return certificate, times[0], times[1]


def signature_fault(ctime: int, xtime: int, now: int, max_ttl: int) -> str | None:
    """Tell why a signature of *ctime* that ends at *xtime* is not taken at *now*, or None."""
    if xtime < now or ctime + max_ttl < now:
        return "the signature has expired"
    return "the signature is from the future" if ctime > now else None


def issued_fault(certificate: Certificate, userid: int, ctime: int, now: int) -> str | None:
    """Tell why a certificate that an authority has signed does not vouch for *userid* at *now*, or None.

    *ctime* is when the envelope was signed. FormatError: metadata that an authority gives is missing."""
    if certificate.get("xtime", Timestamp) < now:
        return "the certificate has expired"
    if certificate.get("not-valid-before-time", Timestamp) > now:
        return "the certificate is not yet valid"
    if certificate.get("userid", int) != userid:
        return f"the certificate is that of user {certificate.get('userid', int)}, not of user {userid}"
    if ctime + certificate.get("max-sign-ttl", int) < now:
        return "the signature is older than its certificate allows"
    return None


# -- files ----------------------------------------------------------------------------------------


def write_public(certificate: Certificate) -> str:
    """Return the text of the file ``NAME.pub``. FormatError: metadata that it cannot hold."""
    lines = ["[metadata]"]
    for key, value in certificate.meta.items():
        if not key or not all(c.isascii() and (c.isalnum() or c in "-_") for c in key):
            raise FormatError(f"sigcert: metadata: invalid key {describe(key)}")
        lines.append(f"    {key} = {_toml(value)}")
    lines += ["", "[curve]", f'    public-key = "{_base64.encode(certificate.public)}"']
    if certificate.signature is not None:
        lines.append(f'    signature = "{_base64.encode(certificate.signature)}"')
    return "\n".join(lines) + "\n"


def read_public(text: str) -> Certificate:
    """Read the text of the file ``NAME.pub``. FormatError names the place."""
    tables = _tables(text)
    meta = {key: _from_toml(key, value) for key, value in _table(tables, "metadata").items()}
    curve = _table(tables, "curve")
    signature = _key(curve, "signature", SIGNATURE_SIZE) if "signature" in curve else None
    return Certificate(_key(curve, "public-key", PUBLIC_SIZE), meta, signature)


def write_secret(certificate: Certificate) -> str:
    """Return the text of the file ``NAME``, which only its owner may read. FormatError: no secret key."""
    if certificate.secret is None:
        raise FormatError("sigcert: the certificate has no secret key")
    return f'[curve]\n    secret-key = "{_base64.encode(certificate.secret)}"\n'


def read_secret(text: str) -> bytes:
    """Return the secret key, 64 bytes, from the text of the file ``NAME``. FormatError names the place."""
    return _key(_table(_tables(text), "curve"), "secret-key", SECRET_SIZE)


def _toml(value: Value) -> str:
    if isinstance(value, str):
        if not value.isprintable():
            raise FormatError(f"sigcert: metadata: {describe(value)} is not printable")
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return kvenc.encode({"_": value})[len("_\0t") : -1].decode()


def _from_toml(key: str, value: Any) -> Value:
    if type(value) in (str, int, float, bool):
        return value  # type: ignore[no-any-return]
    if hasattr(value, "utcoffset") and hasattr(value, "timestamp") and value.utcoffset() is not None:
        return Timestamp(value.timestamp())
    raise FormatError(f"sigcert: metadata: {key}: expected a value or a time with its zone")


def _tables(text: str) -> dict[str, Any]:
    if len(text) > MAX_FILE:
        raise FormatError(f"sigcert: {len(text)} characters are more than the limit of {MAX_FILE}")
    import tomllib  # only signing pays for it

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"sigcert: not valid TOML: {error}") from None


def _table(tables: dict[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name)
    if type(table) is not dict:
        raise FormatError(f"sigcert: table [{name}] is missing")
    return table


def _key(table: Mapping[str, Any], name: str, size: int) -> bytes:
    text = table.get(name)
    try:
        data = _base64.decode(text) if type(text) is str else b""
    except ValueError:
        data = b""
    if len(data) != size:
        raise FormatError(f"sigcert: {name}: expected the base64 of {size} bytes")
    return data


def _prefixed(prefix: str, pairs: Mapping[str, Value]) -> dict[str, Value]:
    return {prefix + key: value for key, value in pairs.items()}
