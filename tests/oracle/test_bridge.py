# SPDX-License-Identifier: LGPL-3.0-or-later
"""The bridge to flux-core answers in order, and tells refusals from values."""

from rosin.errors import FormatError
from rosin.rfc.idset import Idset

from .conftest import Refused, answers, differing

_CODE = """
from flux.idset import IDset
def answer(text):
    return str(IDset(text))
"""


def test_values_and_refusals_come_in_order(ask):
    inputs = ["0-3,7", "x", "1,2,3", ""]
    theirs = ask(_CODE, inputs)
    assert theirs == ["0-3,7", Refused("any"), "1-3", ""]
    ours = answers(lambda text: str(Idset(text)), inputs, FormatError)
    assert differing(inputs, ours, theirs) == []
    assert differing(["a"], [1], [2]) == [("a", 1, 2)]
