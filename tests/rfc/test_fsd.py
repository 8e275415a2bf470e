# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 23: Flux Standard Duration."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc import fsd

VALID = {
    "2ms": 0.002,
    "0.1s": 0.1,
    "30": 30,
    "1.2h": 4320,
    "5m": 300,
    "0s": 0,
    "5d": 432000,
    "inf": math.inf,
    "INF": math.inf,
    "infinity": math.inf,
    "500ms": 0.5,
    "0.2ms": 0.0002,
    "0.5": 0.5,
    "0.5m": 30,
    "0.5h": 1800,
    "1.0d": 86400,
    "1e3": 1000,
    ".5s": 0.5,
}
ENCODED = {
    0.001: "1ms",
    0.01: "10ms",
    0: "0s",
    5: "5s",
    5.1: "5.1s",
    62: "1.03333m",
    3600: "1h",
    4500: "1.25h",
    86400: "1d",
    103680: "1.2d",
    math.inf: "infinity",
}


def test_vectors():
    assert {text: fsd.parse(text) for text in VALID} == VALID
    assert {seconds: fsd.encode(seconds) for seconds in ENCODED} == ENCODED


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "s",
            "ms",
            "-1.",
            "-1",
            "+1",
            "1.0f",
            "1.0sec",
            "NaNs",
            "nan",
            "infinites",
            "infd",
            "infs",
            "5M",
            "5 m",
        ),
        *("5min", "1_0", "0x10", " 5", "5 ", "1e999", "1e308d", "1.2.3", "5hm", "١", "1e", "5mm"),
    ],
)
def test_invalid(text):
    with pytest.raises(FormatError, match="is not a duration"):
        fsd.parse(text)


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan])
def test_encode_refuses_what_is_no_duration(seconds):
    with pytest.raises(FormatError):
        fsd.encode(seconds)


@given(st.floats(min_value=0, max_value=1e12))
def test_round_trip_to_six_digits(seconds):
    assert math.isclose(fsd.parse(fsd.encode(seconds)), seconds, rel_tol=1e-5, abs_tol=1e-300)


@given(st.text(st.sampled_from("0123456789.eE+-msdhinfty")) | st.text())
def test_any_text_is_a_duration_or_refused(text):
    try:
        assert fsd.parse(text) >= 0
    except FormatError as error:
        assert str(error).startswith("fsd: ")  # noqa: PT017
