# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fixtures that several areas share."""

from collections.abc import Iterator

import pytest

from rosin.testing.process import RealInstance


@pytest.fixture(scope="session")
def real_instance() -> Iterator[RealInstance]:
    """One running instance for all tests that only look at it or submit jobs of their own."""
    with RealInstance() as instance:
        yield instance
