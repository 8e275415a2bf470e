# SPDX-License-Identifier: LGPL-3.0-or-later
"""Log lines: flux-core's priority, round trips, any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.errors import FormatError
from rosin.rfc.syslog import SEVERITIES, LogLine, encode, severity


def test_flux_cores_priority_has_the_severity_above_the_facility() -> None:
    line = LogLine(b"<56>1 2026-11-22T11:54:34.168853Z 0 broker 7528 - - insmod config\0")
    assert (line.severity, line.facility) == (7, 0)
    assert (line.hostname, line.appname, line.procid, line.text) == ("0", "broker", "7528", "insmod config")
    assert encode(3, "x", appname="kvs", procid=1, hostname="0", timestamp=0.25) == (
        b"<24>1 1970-01-01T00:00:00.250000Z 0 kvs 1 - - x"
    )


@given(st.integers(0, 7), st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_round_trip(level: int, text: str) -> None:
    line = LogLine(encode(level, text, appname="a", timestamp=1e9))
    assert (line.severity, line.text) == (level, text)


@given(st.binary(max_size=100))
def test_any_bytes_decode_or_fail_cleanly(data: bytes) -> None:
    try:
        assert 0 <= LogLine(data).severity <= 7
    except FormatError:
        pass


def test_severity_names() -> None:
    assert [severity(name) for name in SEVERITIES] == list(range(8))
    assert severity("error") == 3
    assert severity("5") == 5
    with pytest.raises(FormatError, match="unknown severity 'loud'"):
        severity("loud")
