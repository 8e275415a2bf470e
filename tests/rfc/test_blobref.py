# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 10: blob references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import blobref


@pytest.mark.rfc_vectors(10)
@pytest.mark.rfc(10, "blobref", "zero")
@pytest.mark.parametrize(
    ("data", "ref"),
    [
        (b"foo\n", "sha1-f1d2d2f924e986ac86fdf7b36c94bcdf32beec15"),
        (b"", "sha1-da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (
            b'{"data":{},"type":"dir","ver":1}',
            "sha256-61b85efa2a76db9377692c700b4e1edfc480bf224e0e9764b76f8082159d0ca0",
        ),
    ],
)
def test_vectors(data, ref):
    assert blobref.blobref(data, ref.partition("-")[0]) == ref


@given(st.binary(), st.sampled_from(["sha1", "sha256"]))
def test_round_trip(data, algo):
    ref = blobref.blobref(data, algo)
    raw = blobref.digest(data, algo)
    assert blobref.parse(ref) == (algo, raw)
    assert blobref.from_digest(raw, algo) == ref
    assert blobref.is_valid(ref)


@pytest.mark.rfc(10, "blobref")
@pytest.mark.parametrize(
    "ref",
    [
        "",
        "sha1",
        "sha1-",
        "-da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha1-da39a3ee5e6b4b0d3255bfef95601890afd8070",
        "sha1-da39a3ee5e6b4b0d3255bfef95601890afd807090",
        "sha1-DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
        "sha1-ga39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha1-da39a3ee5e6b4b0d3255bfef9560 890afd80709",
        "sha256-da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "md5-d41d8cd98f00b204e9800998ecf8427e",
        "-" * (1 << 20),
        "sha1-" + "a" * (1 << 20),
        None,
        7,
    ],
)
def test_invalid(ref):
    assert not blobref.is_valid(ref)
    with pytest.raises(FormatError):
        blobref.parse(ref)


@given(st.text())
def test_any_text_is_a_blobref_or_refused(text):
    if blobref.is_valid(text):
        assert blobref.from_digest(blobref.parse(text)[1], blobref.parse(text)[0]) == text
    else:
        with pytest.raises(FormatError):
            blobref.parse(text)


def test_unknown_algorithm_and_wrong_length():
    with pytest.raises(FormatError, match="unknown hash algorithm 'md5'"):
        blobref.digest(b"", "md5")
    with pytest.raises(FormatError, match="unknown hash algorithm"):
        blobref.from_digest(bytes(16), "md5")
    with pytest.raises(FormatError, match="20 bytes, got 32"):
        blobref.from_digest(bytes(32), "sha1")
