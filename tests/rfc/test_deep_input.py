# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every public decoder of rosin.rfc, fed with what nests deeper than any stack: a value or a FormatError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from rosin.errors import FormatError

from .decoders import BYTES, JSON, TEXT
from .test_any_input import places

DEPTH = 3000
OPENINGS = (
    "(",
    "[",
    "{",
    "[[",
    "a[",
    "not ",
    "!",
    "-",
    "not (",
    "a{",
    "a:(",
    '"',
    "[1,",
    '{"a":',
    "slot[",
    "a=(",
    "/",
)


def is_value_or_format_error(decoder: Callable[[Any], Any], data: Any) -> None:
    with contextlib.suppress(FormatError):
        decoder(data)


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def nested(outer: Any, path: tuple[Any, ...], inner: Any) -> Any:
    """*outer* in itself at *path*, :data:`DEPTH` times, and *inner* at the bottom."""
    for _ in range(DEPTH):
        top = place = outer.copy()
        for step in path[:-1]:
            place[step] = place = place[step].copy()
        place[path[-1]] = inner
        inner = top
    return inner


def embedded(sample: Any, spot: tuple[Any, ...], deep: Any) -> Any:
    if not spot:
        return deep
    top = place = sample.copy()
    for step in spot[:-1]:
        place[step] = place = place[step].copy()
    place[spot[-1]] = deep
    return top


@pytest.mark.parametrize("name", JSON)
def test_deep_json(name: str) -> None:
    """Each part of a sample nested in itself at each place inside it."""
    decoder, samples = JSON[name]
    for sample in samples:
        for spot in places(sample):
            part = at(sample, spot)
            for path in places(part):
                if 0 < len(path) <= 3:
                    deep = nested(part, path, at(part, path))
                    is_value_or_format_error(decoder, embedded(sample, spot, deep))


@pytest.mark.parametrize("name", TEXT)
def test_deep_text(name: str) -> None:
    decoder, samples = TEXT[name]
    for opening in OPENINGS:
        closing = {"(": ")", "[": "]", "{": "}"}.get(opening[-1], "")
        for sample in ("1", *samples[:2]):
            is_value_or_format_error(decoder, opening * DEPTH + sample + closing * DEPTH)
            is_value_or_format_error(decoder, opening * DEPTH)


@pytest.mark.parametrize("name", BYTES)
def test_deep_bytes(name: str) -> None:
    decoder, _ = BYTES[name]
    for opening in OPENINGS:
        is_value_or_format_error(decoder, (opening * DEPTH).encode())
