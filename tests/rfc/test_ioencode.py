# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: contexts of the events of a job's input and output."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import ioencode
from rosin.rfc.idset import Idset

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.rfc(24, "encodings", "rank")
def test_text_is_sent_as_text() -> None:
    assert ioencode.encode_data("stdout", 3, b"meep\n") == {"stream": "stdout", "rank": "3", "data": "meep\n"}


@pytest.mark.rfc_vectors(24)
@pytest.mark.rfc(24, "default-encoding", "eof", "rank")
def test_the_rfc_example() -> None:
    event = {"stream": "stdout", "rank": "31", "data": "bWVlcAo=", "eof": "true"}
    data = ioencode.decode_data(event, {"stdout": "base64", "stderr": "UTF-8"})
    assert (data.stream, data.rank, data.data, data.eof) == ("stdout", "31", b"meep\n", True)
    assert data.ranks() == Idset("31")


@pytest.mark.rfc(24, "encodings", "event-encoding")
def test_all_byte_values() -> None:
    every = bytes(range(256))
    event = ioencode.encode_data("stdout", "0-3", every, eof=True)
    assert event["encoding"] == "base64"
    assert event["eof"] is True
    assert ioencode.decode_data(json.loads(json.dumps(event))).data == every


@given(st.binary(min_size=1), st.booleans())
def test_round_trip(chunk: bytes, eof: bool) -> None:
    event = ioencode.encode_data("stderr", "all", chunk, eof)
    data = ioencode.decode_data(json.loads(json.dumps(event)))
    assert (data.stream, data.data, data.eof, data.ranks()) == ("stderr", chunk, eof, None)


@given(st.text(min_size=1), st.data())
def test_text_split_anywhere(text: str, draw: st.DataObject) -> None:
    raw = text.encode()
    cut = draw.draw(st.integers(0, len(raw)))
    events = [ioencode.encode_data("stdout", 0, part) for part in (raw[:cut], raw[cut:]) if part]
    assert b"".join(ioencode.decode_data(e).data for e in events) == raw


@pytest.mark.rfc(24, "eof", "data-or-eof", "rank")
def test_eof_alone() -> None:
    event = ioencode.encode_data("stdin", "all", None, eof=True)
    assert event == {"stream": "stdin", "rank": "all", "eof": True}
    data = ioencode.decode_data(event)
    assert (data.data, data.eof) == (b"", True)
    with pytest.raises(FormatError, match="neither data nor eof"):
        ioencode.encode_data("stdin", "all", b"")


@pytest.mark.rfc(24, "repeat")
def test_repeat() -> None:
    event = {"stream": "stdout", "rank": "0-1", "data": "x\n", "repeat": 3}
    assert ioencode.decode_data(event).data == b"x\nx\nx\n"
    event["repeat"] = 10**12
    with pytest.raises(FormatError, match="copies exceed"):
        ioencode.decode_data(event)
    assert ioencode.decode_data({**event, "data": ""}).data == b""


@pytest.mark.rfc(24, "rank", "eof", "data-or-eof", "repeat", "event-encoding")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stream": 1}, "stream is missing"),
        ({"rank": 0}, "rank is missing"),
        ({"data": 5}, "data is not a string"),
        ({"data": None}, "neither data nor eof"),
        ({"eof": 1.5}, "eof is not a boolean"),
        ({"repeat": 0}, "repeat is not"),
        ({"repeat": True}, "repeat is not"),
        ({"encoding": "utf-8"}, "unknown encoding 'utf-8'"),
        ({"encoding": ["base64"]}, "unknown encoding"),
        ({"encoding": "base64", "data": "?"}, "not base64"),
        ({"encoding": "base64", "data": "YQ"}, "not base64"),
        ({"encoding": "base64", "data": "AAAA="}, "not base64"),
        ({"encoding": "base64", "data": "\u00e9"}, "not base64"),
        ({"data": "\ud800"}, "not UTF-8"),
    ],
)
def test_bad_data_events(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        ioencode.decode_data({"stream": "stdout", "rank": "0", "data": "x", **change})


@given(
    JSON | st.fixed_dictionaries({"stream": st.just("o"), "rank": st.just("0"), "data": JSON, "eof": JSON})
)
def test_any_object_is_data_or_a_format_error(value: Any) -> None:
    try:
        ioencode.decode_data(value)
    except FormatError:
        return
    assert isinstance(value, dict)


@pytest.mark.rfc_vectors(24)
@pytest.mark.rfc(24, "header", "default-encoding")
def test_the_header_of_the_text() -> None:
    encoding = {"stdout": "base64", "stderr": "UTF-8"}
    context = {"version": 1, "encoding": encoding, "count": {"stdout": 2, "stderr": 2}, "options": {}}
    assert ioencode.decode_header(context) == encoding
    assert ioencode.header({"stdout": 2, "stderr": 2}, "base64")["encoding"]["stdout"] == "base64"


@pytest.mark.rfc_vectors(24)
@pytest.mark.rfc(24, "redirect")
def test_the_redirection_of_the_text_with_the_rank_that_it_lacks() -> None:
    context = {"stream": "stdout", "rank": "0", "path": "job.output"}
    assert ioencode.redirect("stdout", 0, "job.output") == context


@pytest.mark.rfc(24, "header")
def test_header() -> None:
    context = ioencode.header({"stdout": 2, "stderr": 2})
    assert context == {
        "version": 1,
        "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"},
        "count": {"stdout": 2, "stderr": 2},
        "options": {},
    }
    assert ioencode.decode_header(context) == context["encoding"]
    for bad in (
        [],
        {**context, "version": 2},
        {**context, "encoding": []},
        {**context, "encoding": {"stdout": "latin1"}},
        {**context, "count": None},
    ):
        with pytest.raises(FormatError, match="header event"):
            ioencode.decode_header(bad)


@pytest.mark.rfc(24, "redirect", "log")
def test_redirect_and_log() -> None:
    assert ioencode.redirect("stdout", "0-3", "job.out") == {
        "stream": "stdout",
        "rank": "0-3",
        "path": "job.out",
    }
    assert ioencode.redirect("stderr", 1) == {"stream": "stderr", "rank": "1"}
    assert ioencode.log(3, "oops", rank=0, file=None) == {"level": 3, "message": "oops", "rank": 0}
    with pytest.raises(FormatError, match="level 8"):
        ioencode.log(8, "x")
    with pytest.raises(TypeError, match="unknown field color"):
        ioencode.log(1, "x", color="red")


def test_hostile_data_takes_no_time() -> None:
    for data in ("A" * (1 << 20) + "=", "=" * (1 << 20), "\x00" * (1 << 20)):
        with pytest.raises(FormatError, match="data is not base64"):
            ioencode.decode_data({"stream": "stdout", "rank": "0", "data": data, "encoding": "base64"})
    text = "é" * (1 << 19)
    assert ioencode.decode_data({"stream": "stdout", "rank": "0", "data": text}).data == text.encode()
