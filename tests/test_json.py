# SPDX-License-Identifier: LGPL-3.0-or-later
"""The JSON codecs."""

import subprocess
import sys

import pytest

from rosin import _json

PROGRAM = """
import resource
from rosin import _json
_json.accelerate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kept = [_json.dumps_to_keep({"number": number}) for number in range(20000)]
assert kept[7] == b'{"number":7}'
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_both_codecs_take_the_same_values(monkeypatch):
    """orjson knows 64-bit integers only; it is for the service to refuse larger ones."""
    for name in ("dumps", "dumps_sorted", "loads"):
        monkeypatch.setattr(_json, name, getattr(_json, name))
    _json.accelerate()
    value = {"b": 10**30, "a": [1.5, None, "ƒ"]}
    assert _json.dumps(value) == '{"b":1000000000000000000000000000000,"a":[1.5,null,"ƒ"]}'.encode()
    assert _json.dumps_sorted(value).startswith(b'{"a":')
    with pytest.raises(TypeError):
        _json.dumps({"a": object()})


def test_text_to_keep_has_no_spare_room():
    """20,000 texts with 4 KiB of spare room each would be 80 MB."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 20000  # KiB
