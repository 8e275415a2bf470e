# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 3: Flux messages as frames, for a transport that keeps the parts of a message apart, as ZeroMQ does."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.message import MAX_PARTS, PROTO_SIZE, Message, assemble, encode_parts


def encode_frames(msg: Message) -> list[bytes]:
    """Encode a message, one frame a part: hops (newest first), their delimiter, topic, payload, header."""
    parts = encode_parts(msg)
    frames = parts[1::2]  # between them are the sizes
    frames.append(parts[-1][1:])
    return frames


def decode_frames(frames: list[bytes]) -> Message:
    """Decode what :func:`encode_frames` made; the list is used up.

    Raises FormatError for a bad header (magic, version, type), too many parts, or parts that do not fit the
    flags.
    """
    if not frames or len(frames[-1]) != PROTO_SIZE:
        raise FormatError(f"message: the last part is not a {PROTO_SIZE}-byte header")
    if len(frames) > MAX_PARTS:
        raise FormatError(f"message: more than {MAX_PARTS} parts")
    return assemble(frames, frames.pop(), 0, topicless=False)
