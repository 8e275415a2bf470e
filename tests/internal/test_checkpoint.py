# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which checkpoints a backing store takes."""

import pytest

from rosin.errors import FormatError
from rosin.internal.checkpoint import validate

ROOT = "sha1-" + "0" * 40


@pytest.mark.parametrize(
    "value",
    [
        {"rootref": ROOT},
        {"rootref": ROOT, "sequence": 3, "timestamp": 1.5},
        {"rootref": ROOT, "journal_base": ROOT},
    ],
)
def test_taken(value):
    assert validate(value) is value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"rootref": "x"},
        {"rootref": ROOT, "sequence": -1},
        {"rootref": ROOT, "sequence": 1.5},
        {"rootref": ROOT, "timestamp": "now"},
        {"rootref": ROOT, "journal_base": "x"},
        {"rootref": ROOT, "journal_base": 1},
    ],
)
def test_refused(value):
    with pytest.raises(FormatError):
        validate(value)
