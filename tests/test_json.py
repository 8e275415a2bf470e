# SPDX-License-Identifier: LGPL-3.0-or-later
"""The JSON codecs."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
)
TEXTS = VALUES.map(json.dumps) | st.text(
    alphabet='[]{}",:\\/ \n\r\t\x00\ufeff\ud800aäu0123456789.-+eENInfityulrsg'
)

LIGHT = r"""
import sys
from rosin import _json
assert _json.loads(' {"a": [1, 2.5, "\\u00e4"]}\n') == {"a": [1, 2.5, "ä"]}
assert _json.dumps({"a": [None, True, 1.5]}) == b'{"a":[null,true,1.5]}'
assert not {"json", "re", "typing", "enum"} & set(sys.modules)
try:
    _json.loads(sys.argv[1])
except _json.JSONDecodeError as exc:
    print(exc)
"""


def outcome(function, *args):
    try:
        return repr(function(*args))
    except (ValueError, TypeError) as exc:
        return type(exc), str(exc)


@given(TEXTS, st.sampled_from(["str", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]))
def test_decodes_what_json_decodes_and_complains_as_it_does(text, encoding):
    data = text if encoding == "str" else text.encode(encoding, "surrogatepass")
    assert outcome(_json._loads, data) == outcome(json.loads, data)


@given(VALUES | st.dictionaries(st.floats() | st.tuples(), st.binary()), st.booleans())
def test_encodes_as_json_does(value, in_order):
    compact = {"separators": (",", ":"), "ensure_ascii": False, "allow_nan": False, "sort_keys": in_order}
    encode = _json._dumps_sorted if in_order else _json._dumps
    assert outcome(encode, value) == outcome(lambda it: json.dumps(it, **compact).encode(), value)


@pytest.mark.parametrize("text", ["", "nul", '{"a"', '"a', "[1]x", "[1"])
def test_needs_json_only_to_say_what_is_wrong(text):
    """The scanner itself cannot: the exception that it raises is in a module that is not imported."""
    command = [sys.executable, "-c", LIGHT, text]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.rstrip("\n") == outcome(json.loads, text)[1]


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


def nest(depth, inner=b""):
    return b"[" * depth + inner + b"]" * depth


@pytest.mark.parametrize("before", [b"", b'"[[[]\\"{",', b'[],{},"' + b"]" * 300 + b'",'])
def test_depth_is_that_of_brackets_outside_of_strings(before):
    limit = _json.MAX_DEPTH
    for depth, deep in ((1, False), (limit, False), (limit + 1, True), (100000, True)):
        assert _json.too_deep(b"[" + before + nest(depth - 1) + b"]") is deep
        objects = b'{"a":' * (depth - 1) + b"1" + b"}" * (depth - 1)
        assert _json.too_deep(b"[" + before + objects + b"]") is deep


def test_breadth_and_text_are_not_depth():
    assert not _json.too_deep(b"[" + b",".join([nest(100)] * 100) + b"]")
    assert not _json.too_deep(b'["' + b"[" * 1000 + b'"]')
    assert not _json.too_deep(b'["' + b'\\"[' * 1000 + b'"]')
    assert not _json.too_deep(b"]" * 1000)


def test_what_nests_too_deeply_is_a_value_error_for_each_codec(monkeypatch):
    for name in ("dumps", "dumps_sorted", "loads"):
        monkeypatch.setattr(_json, name, getattr(_json, name))
    deep = []
    for _ in range(100000):
        deep = [deep]
    medium = _json.loads(nest(300))
    for _ in range(2):
        for encode in (_json.dumps, _json.dumps_sorted):
            assert encode(medium) == nest(300)  # more than orjson takes
            with pytest.raises(ValueError, match="nested too deeply"):
                encode(deep)
        with pytest.raises(_json.JSONDecodeError):
            _json.loads(nest(100000))
        _json.accelerate()
    while deep:  # step by step: to free it in one go takes the stack as well
        deep = deep[0]


def test_text_to_keep_has_no_spare_room():
    """20,000 texts with 4 KiB of spare room each would be 80 MB."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 20000  # KiB


@pytest.mark.parametrize("value", [{"a": object()}, [b"bytes"]])
def test_what_json_cannot_hold_is_refused_in_either_order(value):
    _json.accelerate()
    for encode in (_json.dumps, _json.dumps_sorted):
        with pytest.raises(TypeError):
            encode(value)
