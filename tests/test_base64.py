# SPDX-License-Identifier: LGPL-3.0-or-later
"""The two base64 codecs agree, whatever the length."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin import _base64

PADDED = b"\xff" * (_base64.LONG + 1)


@pytest.fixture(params=["pybase64", "standard library"])
def codec(request, monkeypatch):
    if request.param == "standard library":
        monkeypatch.setitem(sys.modules, "pybase64", None)
    monkeypatch.setattr(_base64, "_found", None)
    return _base64


@given(st.binary(), st.sampled_from([0, 1, _base64.LONG - 1, _base64.LONG, 3 * _base64.LONG]))
def test_round_trip(data, more):
    data += bytes(more)
    assert _base64.decode(_base64.encode(data)) == data


def test_long_text_has_padding_and_no_line_ends(codec):
    text = codec.encode(memoryview(PADDED))
    assert text.endswith("=")
    assert "\n" not in text
    assert codec.decode(text) == PADDED


@pytest.mark.parametrize("length", [8, _base64.LONG])
@pytest.mark.parametrize("flaw", ["AAA", "AAAA=", "AA=A", "AAA\n", "AA A", "AAAé", "AA-_", "=AAA", "A==="])
def test_flaws_are_found_at_any_length(codec, length, flaw):
    with pytest.raises(ValueError):
        codec.decode("A" * length + flaw)


@pytest.mark.parametrize("length", [8, _base64.LONG])
def test_unused_bits_are_ignored_at_any_length(codec, length):
    assert codec.decode("A" * length + "AB==") == bytes(length * 3 // 4 + 1)


def test_what_is_no_text_is_refused(codec):
    with pytest.raises(TypeError):
        codec.decode(7)
