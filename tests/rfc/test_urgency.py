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


@pytest.mark.parametrize("text", ["", "-", "1.5", "high", "٣", "1" * 5000, "1_0"])
def test_invalid_text(text):
    with pytest.raises(FormatError, match="expected 0 to 31"):
        urgency.parse(text)


@pytest.mark.rfc(30, "range")
def test_range():
    assert [n for n in range(-9, 99) if urgency.in_range(n)] == list(range(32))
    assert [urgency.in_range(urgency.parse(text)) for text in ("-1", "+5", "32")] == [False, True, False]


@pytest.mark.rfc(30, "guest", "owner", "held", "expedited")
def test_guests_and_fixed_priorities():
    assert [n for n in range(-1, 33) if urgency.guest_may_set(n)] == list(range(17))
    assert [n for n in range(33) if urgency.guest_may_set(n, now=20)] == list(range(21))
    assert [n for n in range(33) if urgency.guest_may_set(n, now=3)] == list(range(17))
    assert [urgency.priority(n) for n in (0, 1, 16, 30, 31)] == [0, 1, 16, 30, 2**32 - 1]
