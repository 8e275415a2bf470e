# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fixtures that several areas share."""

from collections.abc import Iterator

import pytest

from rosin import _json
from rosin.testing.process import RealInstance


@pytest.fixture(autouse=True)
def _own_json_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that runs a server in this process must not leave its JSON codec to the next one."""
    for name in ("dumps", "dumps_sorted", "loads"):
        monkeypatch.setattr(_json, name, getattr(_json, name))


@pytest.fixture(scope="session")
def real_instance() -> Iterator[RealInstance]:
    """One running instance for all tests that only look at it or submit jobs of their own."""
    with RealInstance() as instance:
        yield instance
