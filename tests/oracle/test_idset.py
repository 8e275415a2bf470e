# SPDX-License-Identifier: LGPL-3.0-or-later
"""Idsets against flux-core's binding: decoding, encoding and algebra of 10,000 random inputs each.

Texts on which both differ are told apart by :func:`differs`: flux-core skips stray commas, and reads ids
modulo 2^32, of which it takes those below 2^31; here the limit is 2^27 unless another is asked for.
"""

from __future__ import annotations

import random
import re
from typing import Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset

from .conftest import Ask, answers, differing

COUNT = 10_000
DECODE = """
from flux.idset import IDset
def answer(text):
    ids = IDset(text)
    return [str(ids), ids.encode(flags=2), ids.encode(flags=0), ids.encode(flags=6), ids.count(), list(ids)]
"""
ALGEBRA = """
from flux.idset import IDset
def answer(pair):
    a, b = map(IDset, pair)
    at = len(a)
    first, last = a.first(), a.last()
    return [str(a.union(b)), str(a.intersect(b)), str(a.difference(b)), a.equal(b), a.test(at),
            str(a.copy().set(3, 9)), str(a.copy().clear(3, 9)), first, last]
"""


def random_set(rng: random.Random) -> str:
    size = rng.choice((0, 1, 3, 10, 40))
    span = rng.choice((8, 64, 1000, 70_000))
    return Idset([rng.randrange(span) for _ in range(size)]).encode(brackets=rng.random() < 0.3)


def random_text(rng: random.Random) -> str:
    """A text that is an idset, or was before something happened to it."""
    text = random_set(rng)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        at = rng.randint(0, len(text))
        text = text[:at] + rng.choice(list("0123456789,,--[]x +_")) + text[at + rng.randint(0, 1) :]
    return text


def differs(text: str) -> bool:
    """Stray commas, which are not in the grammar, and large ids."""
    body = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    return bool(body) and re.search(r"^,|,,|,$|[0-9]{9}", body) is not None


def decoded(text: str) -> list[Any]:
    ids = Idset(text)
    forms = [ids.encode_flags(flags) for flags in (4, 2, 0, 6)]
    return [*forms, len(ids), list(ids)]


def test_texts(ask: Ask, rng: random.Random) -> None:
    inputs = [text for text in (random_text(rng) for _ in range(2 * COUNT)) if not differs(text)][:COUNT]
    assert len(inputs) == COUNT
    assert differing(inputs, answers(decoded, inputs, FormatError), ask(DECODE, inputs)) == []


def test_stray_commas_are_the_difference(ask: Ask) -> None:
    inputs = ["1,,2", ",1", "1,", "[1,,2]", ","]
    assert ask("from flux.idset import IDset\ndef answer(x): return len(IDset(x))", inputs) == [2, 1, 1, 2, 0]
    assert all(repr(found).startswith("Refused") for found in answers(decoded, inputs, FormatError))


def combined(pair: list[str]) -> list[Any]:
    a, b = map(Idset, pair)
    none = 2**32 - 2  # IDSET_INVALID_ID
    first, last = a.first(), a.last()
    return [
        str(a | b),
        str(a & b),
        str(a - b),
        a == b,
        len(a) in a,
        str(a.with_range(3, 9)),
        str(a.without_range(3, 9)),
        none if first is None else first,
        none if last is None else last,
    ]


def test_algebra(ask: Ask, rng: random.Random) -> None:
    inputs = [[random_set(rng), random_set(rng)] for _ in range(COUNT)]
    assert differing(inputs, [combined(pair) for pair in inputs], ask(ALGEBRA, inputs)) == []
