# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 38: key-value encoding."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import kvenc
from rosin.rfc.kvenc import Timestamp

VECTORS = [
    ("PATH", "/bin:/usr/bin", "PATH\0s/bin:/usr/bin\0"),
    ("EMPTY_STRING", "", "EMPTY_STRING\0s\0"),
    ("JOB_ID_STRING", "ƒuzzybunny", "JOB_ID_STRING\0sƒuzzybunny\0"),
    ("INT_PLUS", 42, "INT_PLUS\0i42\0"),
    ("INT_MINUS", -42, "INT_MINUS\0i-42\0"),
    ("INT64_MAX", 2**63 - 1, "INT64_MAX\0i9223372036854775807\0"),
    ("INT64_MIN", -(2**63), "INT64_MIN\0i-9223372036854775808\0"),
    ("DOUBLE", 3.0, "DOUBLE\0d3.000000\0"),
    ("DOUBLE_INF", math.inf, "DOUBLE_INF\0dinf\0"),
    ("DBL_MAX", sys.float_info.max, "DBL_MAX\0d" + f"{int(sys.float_info.max)}.000000\0"),
    ("MINUS_DBL_MAX", -sys.float_info.max, "MINUS_DBL_MAX\0d-" + f"{int(sys.float_info.max)}.000000\0"),
    ("FALSE", False, "FALSE\0bfalse\0"),
    ("TRUE", True, "TRUE\0btrue\0"),
    ("TIMESTAMP", Timestamp(1692370785), "TIMESTAMP\0t2023-08-18T14:59:45Z\0"),
]
keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
values = (
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-(10**9), 10**9).map(lambda n: n / 64)
    | st.integers(0, 253402300799).map(Timestamp)
)


@pytest.mark.rfc_vectors(38)
@pytest.mark.rfc(38, "pair", "types", "string", "integer", "double", "boolean", "timestamp", "utf8")
@pytest.mark.parametrize(("key", "value", "text"), VECTORS, ids=[v[0] for v in VECTORS])
def test_vectors(key, value, text):
    assert kvenc.encode({key: value}) == text.encode()
    decoded = kvenc.decode(text.encode())
    assert decoded == {key: value}
    assert type(decoded[key]) is type(value)


@pytest.mark.rfc_vectors(38)
@pytest.mark.rfc(38, "double")
def test_small_floats_lose_their_digits_by_design():
    assert kvenc.encode({"DBL_MIN": sys.float_info.min}) == b"DBL_MIN\0d0.000000\0"
    assert math.isnan(kvenc.decode(b"N\0dnan\0")["N"])


@pytest.mark.rfc(38, "order")
def test_all_vectors_at_once_keep_their_order():
    pairs = {key: value for key, value, _ in VECTORS}
    assert list(kvenc.decode(kvenc.encode(pairs)).items()) == list(pairs.items())


@given(st.dictionaries(keys, values))
def test_round_trip(pairs):
    decoded = kvenc.decode(kvenc.encode(pairs))
    assert decoded == pairs
    assert list(map(type, decoded.values())) == list(map(type, pairs.values()))


#: No NUL at the end, an empty key, an unknown type, an integer where a double is said to be.
FORBIDDEN = [b"a\0sx", b"\0sx\0", b"a\0x1\0", b"a\0d42\0"]


@pytest.mark.rfc(
    38, "key", "no-nul", "no-conversion", "max-size", "integer", "boolean", "timestamp", "double"
)
@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(data, marks=pytest.mark.rfc_vectors(38)) for data in FORBIDDEN),
        *(b"a", b"a\0", b"a\0s", b"a\0\0", b"a\0sx\0b\0", b"a\0i1\0a\0i2\0"),
        *(b"a\0i\0", b"a\0i+1\0", b"a\0i1.0\0", b"a\0i 1\0", b"a\0i1_0\0", b"a\0i9223372036854775808\0"),
        *(
            b"a\0d\0",
            b"a\0d1\0",
            b"a\0d1e3\0",
            b"a\0dinfinity\0",
            b"a\0d1.\0",
            b"a\0d.5\0",
            b"a\0bTrue\0",
            b"a\0b1\0",
        ),
        *(
            b"a\0t1\0",
            b"a\0t2023-08-18T14:59:45\0",
            b"a\0t2023-13-18T14:59:45Z\0",
            b"a\0t1969-12-31T23:59:59Z\0",
        ),
        *(b"\xff\0s\0", b"a\0s\xff\0", b"a\0s" + b"x" * kvenc.MAX_SIZE + b"\0"),
    ],
)
def test_malformed(data):
    with pytest.raises(FormatError, match=r"^kvenc: "):
        kvenc.decode(data)


@pytest.mark.rfc(38, "key", "no-nul")
@pytest.mark.parametrize(
    "pairs",
    [{"": "x"}, {"a\0": "x"}, {"a": "x\0"}, {"a": 2**63}, {"a": None}, {"a": Timestamp(-1)}, {"a": "\ud800"}],
)
def test_what_cannot_be_encoded(pairs):
    with pytest.raises(FormatError, match=r"^kvenc: "):
        kvenc.encode(pairs)


@given(st.binary())
def test_any_bytes_decode_or_are_refused(data):
    try:
        pairs = kvenc.decode(data)
    except FormatError:
        return
    assert isinstance(pairs, dict)


@pytest.mark.parametrize(
    "data",
    [
        b"a" * (1 << 20),
        b"\0" * (1 << 20),
        b"a\0i" + b"9" * 1_000_000 + b"\0",
        b"a\0d" + b"9" * 1_000_000 + b".0\0",
    ],
)
def test_hostile_input_takes_no_time(data):
    with pytest.raises(FormatError, match="kvenc: "):
        kvenc.decode(data)


def test_timestamp_shows_its_type():
    assert repr(Timestamp(5)) == "Timestamp(5)"
