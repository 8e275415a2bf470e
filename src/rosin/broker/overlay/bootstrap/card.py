# SPDX-License-Identifier: LGPL-3.0-or-later
"""The business card of a broker: what others need to know to connect to it, as flux-core writes it."""

from __future__ import annotations

from typing import NamedTuple

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.payload import describe, field

#: A key in Z85: 32 bytes.
KEY_LENGTH = 40
#: Addresses of one broker, and the bytes of one: more than any has.
_URIS, _URI = 16, 2048


class Card(NamedTuple):
    """``host``: its name; ``public_key``: in Z85, empty if all know it; ``uris``: where it listens."""

    host: str
    public_key: str
    uris: list[str]

    def encode(self) -> str:
        """The text for the process manager: JSON without blanks, the keys in flux-core's order."""
        fields: dict[str, object] = {"host": self.host, "uri": self.uris}
        if self.public_key:
            fields["pubkey"] = self.public_key
        return _json.dumps(fields).decode()

    @classmethod
    def decode(cls, text: str) -> Card:
        """Read the text of another broker. Raises FormatError."""
        try:
            value = _json.loads(text)
        except (ValueError, RecursionError):
            raise FormatError(f"business card: expected JSON, got {describe(text)}") from None
        if not isinstance(value, dict):
            raise FormatError(f"business card: expected an object, got {describe(value)}")
        host, key = field(value, "host", str), field(value, "pubkey", str, "")
        uris = field(value, "uri", list)
        if not host or not host.isprintable() or any(mark in host for mark in " ,[]"):
            raise FormatError(f"business card: {describe(host)} is no host name")
        if key and (len(key) != KEY_LENGTH or not key.isascii()):
            raise FormatError(f"business card of {host}: {describe(key)} is no public key")
        if len(uris) > _URIS or not all(map(_is_uri, uris)):
            raise FormatError(
                f"business card of {host}: expected up to {_URIS} addresses such as tcp://HOST:PORT"
            )
        return cls(host, key, uris)

    def uri(self, *, local: bool) -> str | None:
        """Where to connect: on the same host by ``ipc`` if it listens there, else where it listens first."""
        for uri in self.uris if local else ():
            if uri.startswith("ipc://"):
                return uri
        return self.uris[0] if self.uris else None


def _is_uri(uri: object) -> bool:
    return isinstance(uri, str) and "://" in uri and len(uri) <= _URI and uri.isprintable()
