# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading and writing process streams in pieces."""

import os

from hypothesis import given
from hypothesis import strategies as st

from rosin.process.pump import MAX_LINE, Pump, Sink


def chunks(pieces: list[bytes], *, line: bool) -> list[bytes]:
    """What a pump returns when ``pieces`` are written one at a time and the stream then ends."""
    reader, writer = os.pipe()
    pump = Pump(reader, line=line)
    got = []
    for piece in pieces:
        os.write(writer, piece)
        got.append(pump.on_readable())
    os.close(writer)
    got.append(pump.on_readable())
    assert pump.eof
    pump.close()
    return got


def test_line_mode_ends_each_chunk_at_its_last_newline():
    assert chunks([b"a\nb", b"c\n", b"d"], line=True) == [b"a\n", b"bc\n", b"", b"d"]


def test_none_mode_passes_bytes_on_as_they_come():
    assert chunks([b"a\nb", b"c"], line=False) == [b"a\nb", b"c", b""]


def test_nothing_to_read_is_not_the_end():
    reader, writer = os.pipe()
    pump = Pump(reader)
    assert pump.on_readable() == b""
    assert not pump.eof
    pump.close()
    os.close(writer)


def test_an_endless_line_is_delivered_in_pieces():
    reader, writer = os.pipe()
    pump = Pump(reader)
    piece = b"x" * 32768
    delivered = 0
    written = 0
    while not delivered:
        written += os.write(writer, piece)
        delivered = len(pump.on_readable())
    assert delivered == written >= MAX_LINE
    pump.close()
    os.close(writer)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.booleans())
def test_every_byte_arrives_once_and_in_order(pieces, line):
    got = chunks(pieces, line=line)
    assert b"".join(got) == b"".join(pieces)
    if line:
        assert all(chunk.endswith(b"\n") for chunk in got[:-1] if chunk)


def test_sink_queues_what_the_pipe_does_not_take():
    reader, writer = os.pipe()
    sink = Sink(writer)
    data = os.urandom(300000)
    sink.write(data)
    assert sink.wants_write
    sink.close()
    got = b""
    while not sink.closed:
        got += os.read(reader, 65536)
        sink.on_writable()
    while piece := os.read(reader, 65536):
        got += piece
    assert got == data
    os.close(reader)


def test_sink_ends_quietly_when_its_reader_goes():
    reader, writer = os.pipe()
    sink = Sink(writer)
    os.close(reader)
    sink.write(b"lost")
    assert sink.closed
    assert not sink.wants_write
    sink.write(b"ignored")
