# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 10: blob references, ``ALGO-lowercasehex``, the printable addresses of the content store."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Length of a digest in bytes, by the name of its hash algorithm (flux-core's ``content.hash`` values).
DIGEST_SIZE = {"sha1": 20, "sha256": 32}

_HEX = "0123456789abcdef"
_length = {f"{algo}-": len(algo) + 1 + 2 * size for algo, size in DIGEST_SIZE.items()}
_hashes: dict[str, Callable[[bytes], Any]] = {}


def _hash(algo: str) -> Callable[[bytes], Any]:
    if algo not in DIGEST_SIZE:
        known = ", ".join(DIGEST_SIZE)
        raise FormatError(f"blobref: unknown hash algorithm {describe(algo)} (known: {known})")
    import hashlib  # costs a command that never hashes nothing

    _hashes[algo] = function = getattr(hashlib, algo)
    return function  # type: ignore[no-any-return]


def digest(data: bytes | bytearray | memoryview, algo: str = "sha1") -> bytes:
    """Return the raw digest of *data*, the address in ``content.*`` payloads. FormatError: unknown *algo*."""
    return (_hashes.get(algo) or _hash(algo))(data).digest()  # type: ignore[no-any-return,arg-type]


def blobref(data: bytes | bytearray | memoryview, algo: str = "sha1") -> str:
    """Return the blobref of *data*. FormatError: unknown *algo*."""
    return f"{algo}-{(_hashes.get(algo) or _hash(algo))(data).hexdigest()}"  # type: ignore[arg-type]


def from_digest(raw: bytes, algo: str = "sha1") -> str:
    """Return the blobref of a raw digest. FormatError: unknown *algo*, or a digest of another length."""
    size = DIGEST_SIZE.get(algo)
    if size is None:
        _hash(algo)
    if len(raw) != size:
        raise FormatError(f"blobref: a {algo} digest has {size} bytes, got {len(raw)}")
    return f"{algo}-{raw.hex()}"


def is_valid(ref: object) -> bool:
    """Tell whether *ref* is a well-formed blobref of a known algorithm."""
    if type(ref) is not str:
        return False
    end = ref.find("-") + 1
    return _length.get(ref[:end]) == len(ref) and not ref[end:].strip(_HEX)


def parse(ref: str) -> tuple[str, bytes]:
    """Split a blobref into (algorithm, raw digest). Raises FormatError."""
    if not is_valid(ref):
        raise FormatError(f"blobref: expected ALGO-HEX such as sha1-da39a3ee..., got {describe(ref)}")
    algo, _, text = ref.partition("-")
    return algo, bytes.fromhex(text)
