# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 3 messages as frames: the parts of the stream, golden bytes, any frames."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.frames import decode_frames, encode_frames
from rosin.rfc.message import MAX_PARTS, Message, decode, encode

from .test_message import messages


def joined(frames: list[bytes]) -> bytes:
    """Frames as parts of a stream."""
    return b"".join(
        (bytes([len(part)]) if len(part) < 255 else b"\xff" + len(part).to_bytes(4, "big")) + part
        for part in frames
    )


@pytest.mark.rfc(3, "parts-order", "part-boundaries", "header-last")
@given(messages)
def test_frames_are_the_parts(msg: Message) -> None:
    frames = encode_frames(msg)
    assert joined(frames) == encode(msg)
    assert encode(decode_frames(frames)) == encode(msg)


@pytest.mark.rfc(3, "parts-order", "route-stack", "header-last")
def test_frames_of_a_routed_request() -> None:
    msg = Message.request("a.b", b"payload", matchtag=1)
    msg.route = [b"client", b"hop"]
    header = bytes.fromhex("8e01010bffffffff00000000ffffffff00000001")
    assert encode_frames(msg) == [b"hop", b"client", b"", b"a.b", b"payload", header]
    assert encode_frames(Message(8, aux1=1, route=[]))[0] == b""


@given(st.lists(st.sampled_from([b"", b"a", b"x" * 300, *encode_frames(Message.request("a.b", b"x"))])))
def test_any_frames_decode_as_the_stream_does(frames: list[bytes]) -> None:
    def outcome(decoder: Callable[[Any], Message], data: object) -> bytes | str:
        try:
            return encode(decoder(data))
        except FormatError as exc:
            return str(exc)

    assert outcome(decode_frames, frames[:]) == outcome(decode, joined(frames))


def test_hostile_frames() -> None:
    request = encode_frames(Message.request("a.b"))
    with pytest.raises(FormatError, match=f"more than {MAX_PARTS} parts"):
        decode_frames([b"x"] * (MAX_PARTS + 1 - len(request)) + request)
    assert len(decode_frames([b"x"] * (MAX_PARTS - len(request)) + request).route or ()) == MAX_PARTS - 3
    with pytest.raises(FormatError, match="topic is missing"):
        decode_frames([b"", request[-1][:3] + b"\x08" + request[-1][4:]])
