# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 30: job urgency."""

import pytest

from rosin.errors import FormatError
from rosin.rfc import urgency


@pytest.mark.rfc(30, "range", "default")
def test_names_and_numbers():
    assert [urgency.parse(text) for text in ("hold", "default", "EXPEDITE", "0", "16", " 31 ")] == [
        0,
        16,
        31,
        0,
        16,
        31,
    ]


@pytest.mark.parametrize("text", ["", "-1", "32", "1.5", "high", "٣", "1" * 5000])
def test_invalid_text(text):
    with pytest.raises(FormatError, match="expected 0 to 31"):
        urgency.parse(text)


@pytest.mark.rfc(30, "range")
@pytest.mark.parametrize("value", [-1, 32, True, 1.0, "16", None])
def test_invalid_value(value):
    with pytest.raises(FormatError, match="expected 0 to 31"):
        urgency.check(value)


@pytest.mark.rfc(30, "guest", "owner", "held", "expedited")
def test_guests_and_fixed_priorities():
    assert [n for n in range(-1, 33) if urgency.guest_may_set(n)] == list(range(17))
    assert {n: urgency.fixed_priority(n) for n in (0, 1, 16, 30, 31)} == {
        0: 0,
        1: None,
        16: None,
        30: None,
        31: 2**32 - 1,
    }
