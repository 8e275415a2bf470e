# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 39: sign and verify by the mechanism that the site has chosen.

The configuration is flux-security's table ``[sign]`` (``max-ttl``, ``default-type``, ``allowed-types``, and
the tables ``munge`` and ``curve`` in it) and, for certificates of an authority, its table ``[ca]``.
"""

from __future__ import annotations

import os
import time
from typing import Any

from rosin.errors import FormatError
from rosin.rfc import munge as format_munge
from rosin.rfc import sigcert, sign
from rosin.rfc.payload import field
from rosin.rfc.sign import Envelope
from rosin.security import curve, munge

MECHANISMS = ("none", "munge", "curve")


class Config:
    """What the tables say.

    Attributes:
        max_ttl: seconds for which a signature counts.
        default: mechanism that signs. ``allowed``: mechanisms that are taken.
        socket: munged's socket.
        require_ca: ``curve`` takes certificates of the authority only, else those in ``~/.flux/curve``.
        cert_path: ``curve`` signs with this certificate instead of ``~/.flux/curve/sig``.
        ca_path, revoke_dir: the authority's certificate, and the directory with the names of revoked ones.
    """

    def __init__(self, tables: dict[str, Any] | None = None) -> None:
        """Take the decoded configuration *tables*; without any, mechanism ``none`` alone. FormatError names
        the key."""
        table = field(tables or {}, "sign", dict, {})
        self.max_ttl = field(table, "max-ttl", int, 1209600)
        self.default = field(table, "default-type", str, "none")
        self.allowed = field(table, "allowed-types", list, [self.default])
        self.socket = field(field(table, "munge", dict, {}), "socket-path", str, format_munge.SOCKET)
        own = field(table, "curve", dict, {})
        self.require_ca = field(own, "require-ca", bool, True)
        self.cert_path = field(own, "cert-path", str, None)
        authority = field(tables or {}, "ca", dict, {})
        self.ca_path = field(authority, "cert-path", str, None)
        self.revoke_dir = field(authority, "revoke-dir", str, None)
        if self.max_ttl < 1:
            raise FormatError("sign: max-ttl: expected seconds above 0")
        for name in (self.default, *self.allowed):
            if name not in MECHANISMS:
                raise FormatError(f"sign: unknown mechanism {name!r} (known: {', '.join(MECHANISMS)})")


class Signer:
    """Signs as the user of this process, and verifies. It keeps the certificate that it has read."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = Config() if config is None else config
        self._certificate: sigcert.Certificate | None = None

    def wrap(self, payload: bytes | str, mechanism: str | None = None) -> str:
        """Return the envelope of *payload*, signed by *mechanism* (the default of the site without).

        Raises OSError when daemon, key file or package are not to be had, FormatError for a broken key."""
        name = self.config.default if mechanism is None else mechanism
        userid = os.getuid()
        if name == "none":
            return sign.wrap(payload, userid)
        if name == "munge":
            text = sign.signed_text(sign.header(userid, name), payload)
            return sign.join(text, munge.encode(sign.munge_payload(text), self.config.socket))
        if name == "curve":
            certificate = self._own()
            more = sigcert.to_header(certificate, int(time.time()), self.config.max_ttl)
            text = sign.signed_text(sign.header(userid, name, more), payload)
            return sign.join(text, curve.sign(certificate, text.encode()))
        raise FormatError(f"sign: unknown mechanism {name!r} (known: {', '.join(MECHANISMS)})")

    def unwrap(self, envelope: str) -> tuple[bytes, int, str]:
        """Verify an envelope and return (payload, user id, mechanism).

        Raises FormatError when it is malformed, PermissionError with the reason when it proves nothing, and
        OSError when the daemon cannot be asked."""
        opened = sign.parse(envelope)
        if opened.mechanism not in self.config.allowed:
            raise _refused(opened, "the mechanism is not allowed here")
        fault = {"none": _none_fault, "munge": self._munge_fault, "curve": self._curve_fault}[
            opened.mechanism
        ](opened)
        if fault:
            raise _refused(opened, fault)
        return opened.payload, opened.userid, opened.mechanism

    def _munge_fault(self, opened: Envelope) -> str | None:
        reply = munge.decode(opened.signature, self.config.socket)
        return sign.munge_fault(opened, reply, int(time.time()), self.config.max_ttl)

    def _curve_fault(self, opened: Envelope) -> str | None:
        certificate, ctime, xtime = sigcert.from_header(opened.header)
        if not curve.verify(certificate, opened.signature, opened.text.encode()):
            return "the content was changed after it was signed, or another key signed it"
        now = int(time.time())
        if self.config.require_ca:
            fault = self._issued_fault(certificate, opened.userid, ctime, now)
        else:
            fault = _home_fault(certificate, opened.userid)
        return fault or sigcert.signature_fault(ctime, xtime, now, self.config.max_ttl)

    def _issued_fault(
        self, certificate: sigcert.Certificate, userid: int, ctime: int, now: int
    ) -> str | None:
        if self.config.ca_path is None:
            return "no certificate authority is configured"
        if not curve.issued_by(curve.load(self.config.ca_path), certificate):
            return "the certificate is not from the certificate authority"
        name = certificate.get("uuid", str)
        # Of a file name that leads elsewhere nothing could be told, so it does not vouch for anybody.
        if not name or "/" in name or name in (".", ".."):
            return "the certificate has no valid uuid"
        if self.config.revoke_dir and os.path.lexists(os.path.join(self.config.revoke_dir, name)):
            return "the certificate has been revoked"
        return sigcert.issued_fault(certificate, userid, ctime, now)

    def _own(self) -> sigcert.Certificate:
        if self._certificate is None:
            path = self.config.cert_path or _home_certificate(os.getuid())
            self._certificate = curve.load(path, secret=True)
        return self._certificate


def _none_fault(opened: Envelope) -> str | None:
    return sign.none_fault(opened, os.getuid())


def _home_fault(certificate: sigcert.Certificate, userid: int) -> str | None:
    """A certificate vouches for the user in whose home directory it is."""
    try:
        known = curve.load(_home_certificate(userid))
    except (OSError, FormatError) as error:
        return f"the certificate of user {userid} cannot be read: {error}"
    return None if known.same(certificate) else f"the certificate is not that of user {userid}"


def _home_certificate(userid: int) -> str:
    import pwd

    try:
        home = pwd.getpwuid(userid).pw_dir
    except KeyError:
        raise FileNotFoundError(2, f"user {userid} is unknown") from None
    return os.path.join(home, ".flux", "curve", "sig")


def _refused(opened: Envelope, fault: str) -> PermissionError:
    return PermissionError(1, f"sign: mechanism {opened.mechanism}: {fault}")
