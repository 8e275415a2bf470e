# SPDX-License-Identifier: LGPL-3.0-or-later
"""What tests of whole instances share: none of them may hang."""

import signal
from collections.abc import Iterator

import pytest

_SECONDS = 120


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """Fail a test that takes too long, wherever it waits."""

    def expire(_signum: int, _frame: object) -> None:
        raise TimeoutError(f"the test is not over after {_SECONDS} seconds")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)
