# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: lines of the wire protocol, whole and in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import pmi
from rosin.rfc.pmi import wire

WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="="), min_size=1)


STRINGS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"))


@given(st.dictionaries(WORDS.filter(lambda w: w not in ("value", "msg", "error_msg")), WORDS), STRINGS)
def test_round_trip_of_lines(words, value):
    words["value"] = value
    assert pmi.parse(pmi.encode(words)) == words


@given(
    st.lists(
        st.sampled_from(
            ["cmd=get", "key=a=b", "value=x y", "value=", "msg=a value=b", " ", "\t", "x", "=", "a="]
        )
    )
)
def test_both_ways_to_parse_agree(parts):
    line = " ".join(parts)
    try:
        expected = wire._parse_any(line)
    except FormatError:
        with pytest.raises(FormatError, match="expected key=value at column"):
            pmi.parse(line)
    else:
        assert pmi.parse(line) == expected


@given(st.text())
def test_any_line(text):
    try:
        assert all(isinstance(value, str) for value in pmi.parse(text).values())
    except FormatError:
        pass


@given(st.lists(STRINGS), st.integers(1, 7))
def test_lines_from_a_stream(lines, step):
    data = "".join(line + "\n" for line in lines).encode()
    buffer = pmi.Lines()
    assert [line for at in range(0, len(data), step) for line in buffer.feed(data[at : at + step])] == lines


def test_a_stream_without_an_end_or_text():
    with pytest.raises(FormatError, match="longer than"):
        pmi.Lines().feed(b"x" * (1 << 20))
    buffer = pmi.Lines()
    for _ in range(pmi.MAX_LINE):
        assert buffer.feed(b"x") == []
    with pytest.raises(FormatError, match="longer than"):
        buffer.feed(b"x")
    with pytest.raises(FormatError, match="UTF-8"):
        pmi.Lines().feed(b"\xff\n")


def test_values_must_come_last():
    with pytest.raises(FormatError, match="value must be the last"):
        pmi.encode({"value": "a b", "key": "c"})
