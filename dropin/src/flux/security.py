# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.security: signing, as the site's configuration says (RFC 39)."""

from __future__ import annotations

import errno
import glob
from typing import Any, NoReturn, Self

from rosin.errors import FormatError
from rosin.security.signer import Config, Signer

__all__ = ["SecurityContext"]

#: Where flux-security looks for its configuration.
_CONFIG = "/etc/flux/security/conf.d/*.toml"


class SecurityContext:
    """Signs as the user of this process, and verifies.

    ``config_pattern`` are files of configuration (default: the site's). Raises OSError.
    """

    def __init__(self, config_pattern: str | None = None, flags: int = 0) -> None:
        tables: dict[str, Any] = {}
        try:
            for path in sorted(glob.glob(config_pattern or _CONFIG)):
                tables.update(_tables(path))
            self._signer = Signer(Config(tables))
        except ValueError as exc:
            _invalid(exc)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        """Nothing is held."""

    def sign_wrap(self, payload: str | bytes, mech_type: str | None = None, flags: int = 0) -> bytes:
        """The envelope of a payload, signed by a mechanism (default: the site's). TypeError, OSError."""
        if not isinstance(payload, str | bytes):
            raise TypeError(f"payload must be a text or binary type, not {type(payload)}")
        try:
            return self._signer.wrap(payload, mech_type).encode()
        except FormatError as exc:
            _invalid(exc)

    def sign_wrap_as(
        self, userid: int, payload: str | bytes, mech_type: str | None = None, flags: int = 0
    ) -> bytes:
        """As :meth:`sign_wrap`, for a user; for another one than that of this process it is EPERM."""
        import os

        if userid != os.getuid():
            raise OSError(errno.EPERM, f"user {os.getuid()} cannot sign as user {userid}")
        return self.sign_wrap(payload, mech_type, flags)

    def sign_unwrap(self, signed_payload: bytes, flags: int = 0) -> tuple[bytes, int]:
        """The payload of an envelope, and the user who has signed it. TypeError, OSError."""
        if not isinstance(signed_payload, bytes):
            raise TypeError(f"signed_payload must be a binary type, not {type(signed_payload)}")
        try:
            payload, userid, _ = self._signer.unwrap(signed_payload.decode())
        except ValueError as exc:
            _invalid(exc)
        return payload, userid


def _tables(path: str) -> dict[str, Any]:
    from rosin import configfile

    return configfile.load(path)


def _invalid(exc: ValueError) -> NoReturn:
    raise OSError(errno.EINVAL, str(exc)) from None
