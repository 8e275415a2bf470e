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
}
ENCODED = {
    0.001: "1ms",
    0.01: "10ms",
    5: "5s",
    5.1: "5.1s",
    62: "1.03333m",
    3600: "1h",
    4500: "1.25h",
    86400: "1d",
    103680: "1.2d",
    math.inf: "infinity",
}


@pytest.mark.rfc_vectors(23)
@pytest.mark.rfc(23, "form", "range", "suffix", "seconds", "infinity")
@pytest.mark.parametrize("text", VALID)
def test_vectors(text):
    assert fsd.parse(text) == VALID[text]


@pytest.mark.rfc_vectors(23)
@pytest.mark.parametrize("seconds", ENCODED)
def test_written_as_flux_core_does(seconds):
    assert fsd.encode(seconds) == ENCODED[seconds]


@pytest.mark.rfc(23, "form")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("0x1p3", 8, marks=pytest.mark.rfc_vectors(23)),
        ("+5", 5),
        ("1e3", 1000),
        (".5s", 0.5),
        (" \t5m", 300),
        ("-0", 0),
        ("0x10", 16),
        ("0X1p3m", 480),
        ("0x1d", 29),
        ("0x1.8h", 5400),
        ("0x.8p+1", 1),
        ("5.", 5),
        ("5.h", 18000),
        ("1E2s", 100),
        ("1e-400", 0),
        (" +INF", math.inf),
    ],
)
def test_whatever_strtod_takes(text, seconds):
    assert fsd.parse(text) == seconds


@pytest.mark.rfc_vectors(23)
@pytest.mark.rfc(23, "form", "range", "suffix", "infinity")
@pytest.mark.parametrize(
    "text",
    [
        *("-1.", "1.0f", "1.0sec", "NaNs", "infinites", "infd", "5M", "5 m", "5min"),
        *("", "s", "1_0", "nan"),
    ],
)
def test_invalid_vectors(text):
    with pytest.raises(FormatError, match="is not a duration"):
        fsd.parse(text)


@pytest.mark.rfc(23, "form", "range", "suffix", "infinity")
@pytest.mark.parametrize(
    "text",
    [
        *(
            "ms",
            "-1",
            "infs",
        ),
        *(
            "0x",
            "0xg",
            "+ 5",
            "-inf",
            "5 ",
            "1e999",
            "1e308d",
            "1.2.3",
            "5hm",
            "١",
            "1e",
            "5mm",
        ),
    ],
)
def test_invalid(text):
    with pytest.raises(FormatError, match="is not a duration"):
        fsd.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected a number at column 1"),
        (" +x", "expected a number at column 3"),
        ("..5", "expected a number at column 1"),
        ("5M", "unknown suffix 'M' at column 2"),
        ("1.2.3", "unknown suffix '.3' at column 4"),
        ("1e", "unknown suffix 'e' at column 2"),
        ("0x1p", "unknown suffix 'p' at column 4"),
        ("5 m", "unknown suffix ' m' at column 2"),
        ("infs", "expected a number at column 1"),
        ("-5m", "it is negative"),
        ("-inf", "it is negative"),
        ("1e400", "it is too large"),
        ("1e308d", "it is too large"),
        ("0x1p99999s", "it is too large"),
    ],
)
def test_errors_tell_why(text, why):
    with pytest.raises(FormatError) as caught:
        fsd.parse(text)
    assert str(caught.value).endswith(f": {why}")


@pytest.mark.parametrize("unit", ["1", ".", "1e", "ms", "0x", " ", "-", "inf", "0xf", "1.", "\0"])
def test_hostile_text_takes_no_time(unit):
    text = unit * ((1 << 20) // len(unit))
    try:
        assert fsd.parse(text) >= 0
    except FormatError as error:
        fault = str(error)
    else:
        return
    assert len(fault) < 300


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
        fault = str(error)
    else:
        return
    assert fault.startswith("fsd: ")
