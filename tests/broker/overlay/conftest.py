# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fixtures of the tests of brokers that are joined."""

import random

import pytest


@pytest.fixture
def rng():
    seed = random.randrange(2**32)
    yield random.Random(seed)
    print(f"seed: {seed}")  # which is shown when the test has failed
