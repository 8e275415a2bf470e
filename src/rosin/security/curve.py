# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ed25519 keys and certificates of mechanism ``curve``; their formats are :mod:`rosin.rfc.sigcert`.

The arithmetic is that of the package ``cryptography``, which is imported by the first call that needs it; it
comes with ``pip install 'rosin[curve]'``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any, TypeVar

from rosin import _base64
from rosin.errors import FormatError, needs_package
from rosin.rfc import sigcert
from rosin.rfc.kvenc import Timestamp
from rosin.rfc.sigcert import Certificate

T = TypeVar("T")


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise needs_package("mechanism curve", "cryptography", "curve") from None
    return ed25519


def generate() -> Certificate:
    """Make a certificate with new keys, not signed by anybody."""
    private = _ed25519().Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return Certificate(public, secret=private.private_bytes_raw() + public)


def sign(certificate: Certificate, data: bytes) -> str:
    """Return the base64 signature of *data* by the secret key of *certificate*. FormatError: it has none."""
    return _base64.encode(_sign(certificate, data))


def verify(certificate: Certificate, signature: str, data: bytes) -> bool:
    """Tell whether *signature* (base64) is that of *data* by the owner of *certificate*."""
    try:
        return _verify(certificate, _base64.decode(signature), data)
    except ValueError:
        return False


def issue(
    authority: Certificate,
    certificate: Certificate,
    userid: int,
    now: int,
    ttl: int,
    max_sign_ttl: int,
    domain: str,
    not_before: int | None = None,
    may_issue: bool = False,
) -> None:
    """Give *certificate* the metadata that make it *userid*'s for *ttl* seconds, and sign it.

    *max_sign_ttl* is for how many seconds a signature made with it counts. *authority* may be *certificate*
    itself, which makes an authority when *may_issue* is set. FormatError: *authority* has no secret key.
    """
    from uuid import uuid4

    start = now if not_before is None else not_before
    uuid = str(uuid4())
    certificate.meta.update(
        {
            "uuid": uuid,
            "not-valid-before-time": Timestamp(start),
            "ctime": Timestamp(now),
            "xtime": Timestamp(start + ttl),
            "userid": userid,
            "max-sign-ttl": max_sign_ttl,
            "issuer": uuid if authority is certificate else authority.get("uuid", str),
            "domain": domain,
            "ca-capability": may_issue,
        }
    )
    certificate.signature = _sign(authority, certificate.signed_bytes())


def issued_by(authority: Certificate, certificate: Certificate) -> bool:
    """Tell whether *authority* may issue certificates and has signed this one."""
    if authority.meta.get("ca-capability") is not True or certificate.signature is None:
        return False
    return _verify(authority, certificate.signature, certificate.signed_bytes())


def load(path: str, secret: bool = False) -> Certificate:
    """Read ``PATH.pub`` and, with *secret*, ``PATH``. Raises OSError, and FormatError that names the file."""
    certificate = _read(f"{path}.pub", sigcert.read_public)
    if secret:
        certificate.secret = _read(path, sigcert.read_secret)
        if certificate.secret[sigcert.PUBLIC_SIZE :] != certificate.public:
            raise FormatError(f"{path}: the secret key is not that of {path}.pub")
    return certificate


def store(certificate: Certificate, path: str) -> None:
    """Write ``PATH.pub`` and, when there is a secret key, ``PATH``, readable by its owner alone."""
    public = sigcert.write_public(certificate)
    _write(f"{path}.pub", public, 0o644)
    if certificate.secret is not None:
        _write(path, sigcert.write_secret(certificate), 0o600)


def _sign(certificate: Certificate, data: bytes) -> bytes:
    if certificate.secret is None:
        raise FormatError("sigcert: the certificate has no secret key")
    private = _ed25519().Ed25519PrivateKey.from_private_bytes(certificate.secret[:32])
    return private.sign(data)  # type: ignore[no-any-return]


def _verify(certificate: Certificate, signature: bytes, data: bytes) -> bool:
    ed25519 = _ed25519()
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(certificate.public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(path: str, decode: Callable[[str], T]) -> T:
    # The file may be another user's, who could have put a FIFO there to make this wait.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, encoding="utf-8", errors="replace") as stream:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "is not a file", path)
        text = stream.read(sigcert.MAX_FILE + 1)
    try:
        return decode(text)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def _write(path: str, text: str, mode: int) -> None:
    # A new file each time: a secret must not land in a file that others have open or may read.
    temporary = f"{path}.{os.getpid()}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
