# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every public decoder of rosin.rfc: any JSON value, any text, any bytes are a value or a FormatError.

A decoder is fed with arbitrary input and with its own samples after a place in them was changed. Which
functions are decoders is told by their names; one that is in none of the tables fails the last test.
"""

from __future__ import annotations

import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rosin.rfc
from rosin.errors import FormatError

from .decoders import BYTES, JSON, NAMES, OTHERS, TEXT

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "0-1", "0", "x", "[", "\ud800", "1e999", "-1", "a\0b", "all", "f1"])
    | st.text(max_size=6)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each place in a JSON value."""
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*path, step))


def changed(value: Any, path: tuple[Any, ...], change: str, new: Any) -> Any:
    """A copy of *value* with the place at *path* replaced, deleted, or joined by a neighbour."""
    if not path:
        return new
    copy = json.loads(json.dumps(value))
    inner, (*steps, last) = copy, path
    for step in steps:
        inner = inner[step]
    if change == "delete":
        del inner[last]
    elif change == "replace":
        inner[last] = new
    elif isinstance(inner, dict):
        inner[f"{last}x"] = new
    else:
        inner.insert(last, new)
    return copy


def changed_json(samples: list[Any]) -> st.SearchStrategy[Any]:
    spots = [(sample, path) for sample in samples for path in places(sample)]
    return st.builds(
        lambda spot, change, new: changed(*spot, change, new),  # type: ignore[call-arg]
        st.sampled_from(spots),
        st.sampled_from(["replace", "replace", "replace", "delete", "add"]),
        values,
    )


def spliced(samples: list[Any], pieces: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Samples with a part of them replaced."""

    def splice(sample: Any, at: int, size: int, piece: Any) -> Any:
        at %= len(sample) + 1
        return sample[:at] + piece + sample[at + size :]

    return st.builds(splice, st.sampled_from(samples), st.integers(0, 5000), st.integers(0, 4), pieces)


texts = st.text(max_size=4) | st.sampled_from(
    ["[", "]", ",", "-", "0", "\n", "'", '"', "{", ":", "=", "\ud800", "\0"]
)
FAST = settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)


def is_value_or_format_error(decoder: Callable[[Any], Any], data: Any) -> None:
    try:
        decoder(data)
    except FormatError as error:
        fault = str(error)
    else:
        return
    assert fault
    assert len(fault) < 5000


@pytest.mark.parametrize("name", JSON)
def test_any_json(name: str) -> None:
    decoder, samples = JSON[name]
    for sample in samples:
        decoder(json.loads(json.dumps(sample)))

    @FAST
    @given(changed_json(samples) | values)
    def run(value: Any) -> None:
        is_value_or_format_error(decoder, value)

    run()


@pytest.mark.parametrize("name", TEXT)
def test_any_text(name: str) -> None:
    decoder, samples = TEXT[name]
    for sample in samples:
        decoder(sample)

    @FAST
    @given(spliced(samples, texts) | st.text())
    def run(text: str) -> None:
        is_value_or_format_error(decoder, text)

    run()


@pytest.mark.parametrize("name", BYTES)
def test_any_bytes(name: str) -> None:
    decoder, samples = BYTES[name]
    for sample in samples:
        decoder(sample)

    @FAST
    @given(spliced(samples, st.binary(max_size=4)) | st.binary())
    def run(data: bytes) -> None:
        is_value_or_format_error(decoder, data)

    run()


def named_like_decoders() -> Iterator[str]:
    """What a package offers of its modules goes by the package's name: ``hostlist.Hostlist.decode``."""
    for found in pkgutil.walk_packages(rosin.rfc.__path__, "rosin.rfc."):
        module = import_module(found.name)
        package = import_module(module.__package__ or "")
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
                continue
            offered = package is not rosin.rfc and getattr(package, name, None) is thing
            place = (package if offered else module).__name__.removeprefix("rosin.rfc.")
            if inspect.isfunction(thing) and name.startswith(NAMES):
                yield f"{place}.{name}"
            elif inspect.isclass(thing) and thing.__name__ == name:  # else it is there by its own name, too
                methods = [key for key in vars(thing) if key.startswith(NAMES)]
                yield from (f"{place}.{name}.{key}" for key in methods)


def test_no_decoder_is_left_out() -> None:
    tested = {name.partition(" ")[0] for name in (*JSON, *TEXT, *BYTES)}
    assert sorted(set(named_like_decoders()) - tested - set(OTHERS)) == []
