# SPDX-License-Identifier: LGPL-3.0-or-later
"""The stream of messages on a socket: large ones are not copied to be one piece."""

import pytest

from rosin.handle.framing import LARGE, FrameReader, frame, frame_parts
from rosin.rfc.message import Message


@pytest.mark.parametrize("size", [0, 5, LARGE - 200, LARGE, 3 * LARGE])
def test_a_large_message_is_the_same_in_pieces(size):
    for msg in (
        Message.request("content.store", bytes(range(256)) * (size // 256) + b"x" * (size % 256)),
        Message.request("t" * (size + 1)),
    ):
        framed = frame_parts(msg)
        assert isinstance(framed, bytes) is (size < LARGE)
        assert (framed if isinstance(framed, bytes) else b"".join(framed)) == frame(msg)
        (back,) = FrameReader(topicless=True).feed(frame(msg))
        reader = FrameReader()
        cut = len(frame(msg)) // 2
        assert reader.feed(frame(msg)[:cut]) == []
        (again,) = reader.feed(frame(msg)[cut:])
        assert back.raw == again.raw == msg.raw
        assert (again.raw.__class__, again.topic) == (bytes, msg.topic)


def test_what_is_missing_of_a_message():
    data = frame(Message.request("a.b", "x" * 1000))
    reader = FrameReader()
    assert reader.missing == 8
    reader.feed(data + data[:4])
    assert reader.missing == 4
    reader.feed(data[4:10])
    assert reader.missing == len(data) - 10
