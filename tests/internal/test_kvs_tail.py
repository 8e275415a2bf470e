# SPDX-License-Identifier: LGPL-3.0-or-later
"""The private answer of kvs.tail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.internal.kvs_tail import decode, encode


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53)), st.binary())
def test_round_trip(head, data):
    assert decode(encode(head, data)) == (head, data)


@given(st.binary(max_size=50))
def test_any_bytes_decode_or_fail_cleanly(payload):
    try:
        decode(payload)
    except FormatError:
        pass


def test_malformed():
    for payload in (b"", b"{}", b"[1]\nx", b"\n"):
        with pytest.raises(FormatError, match=r"kvs\.tail"):
            decode(payload)
