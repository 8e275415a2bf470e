# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests that mean harm, to every topic of a full instance (long form: ``python -m benchmarks.fuzz``)."""

import pytest

from rosin import _json
from rosin.testing.fuzz import Fuzzer

#: Function calls in one turn of the loop: some 20 ms.
MOST_STEPS = 200_000


@pytest.fixture(autouse=True)
def codec(monkeypatch):
    """The JSON codec of a broker: unlike the standard one it refuses NaN and lone surrogates."""
    for name in ("dumps", "dumps_sorted", "loads"):
        monkeypatch.setattr(_json, name, getattr(_json, name))
    _json.accelerate()


@pytest.mark.parametrize("guest", [False, True], ids=["owner", "guest"])
async def test_nothing_but_the_callers_fault(guest):
    fuzzer = Fuzzer(seed=1, slow=60.0, steps=MOST_STEPS)
    await fuzzer.run(3000, guest)
    assert not fuzzer.faults, "\n".join(fuzzer.faults)
    assert fuzzer.answers[0] > 300  # some get through, so that more than the first check was tried
