# SPDX-License-Identifier: LGPL-3.0-or-later
"""Event logs in chunks: every way of cutting a log gives the same lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.modules.job_info.chunks import Decoder, Splitter, lines_of, named, response


def decoded(responses):
    assert all(payload.endswith(b"\0") for payload in responses)
    return [json.loads(payload[:-1])["event"].encode() for payload in responses]


texts = st.lists(st.text(max_size=5).map(lambda text: text.replace("\n", "") + "\n"), max_size=8)


@given(texts, st.data())
def test_split_anywhere(lines, data):
    whole = "".join(lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    splitter = Splitter(Decoder())
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        new, responses = splitter.feed(whole[start:end])
        assert decoded(responses) == new
        got += new
    assert got == [line.encode() for line in lines]
    assert splitter.offset == len(whole)


@given(texts, texts, st.data())
def test_restart_continues_where_it_was(before, after, data):
    splitter = Splitter(Decoder())
    first = "".join(before).encode()
    got = list(splitter.feed(first)[0])
    splitter.restart()
    whole = first + "".join(after).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += splitter.feed(whole[start:end])[0]
    assert b"".join(got) == whole


def test_a_shared_chunk_is_decoded_once():
    decoder = Decoder()
    data = b"a\nb\n"
    first, second = Splitter(decoder).feed(data), Splitter(decoder).feed(data)
    assert first[1] is second[1]
    assert Splitter(decoder).feed(bytes(bytearray(data)))[0] == [b"a\n", b"b\n"]


def test_names_and_bad_text():
    assert named(b'{"timestamp":1,"name":"clean"}\n', b"clean")["name"] == "clean"  # type: ignore[index]
    assert named(b'{"timestamp":1,"name":"memo","context":{"x":"clean"}}', b"clean") is None
    assert named(b"clean", b"clean") is None
    assert named(b'["clean"]', b"clean") is None
    assert lines_of(b"a\nb") == [b"a\n", b"b"]
    with pytest.raises(FormatError):
        response(b"\xff\n")
