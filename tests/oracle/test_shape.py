# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 46: random shapes, the same resources as flux-core's parser makes.

Differences, which the shapes avoid or the comparison levels out:

- Keys that are given twice, or ``type``, ``count`` and ``with`` in braces, are refused here.
- ``slot{x}`` has the label ``x`` here and ``exclusive`` in flux-core; ``Slot`` is a slot there alone, and
  ``slot{}`` is refused there.
- Text in double quotes is a JSON string here, in flux-core it has no escapes; an array ends at the last
  bracket of the shape there, and holds JSON alone.
- flux-core misses that a slot has no label when another one is in it.
- Here counts are checked (``3-1``, ``1,1``), ``1.`` is text, and white space after unquoted text is dropped.
"""

from rosin.errors import FormatError
from rosin.rfc import shape

from .conftest import Refused, answers, differing

COUNT = 10_000
THEIRS = """
__name__ = "flux.shape.parser"
from flux.shape.parser import ShapeParser
parser = ShapeParser()
def answer(text):
    global parser
    try:
        return parser.parse(text)
    except Exception:
        parser = ShapeParser()
        raise
"""
TYPES = ["node", "core", "gpu", "switch", "ib10g", "a.b-c", "'a b'", '"x/y"', "x", "a:b"]
COUNTS = [
    "",
    "",
    "=1",
    "=4",
    "=[12]",
    "=3-30",
    "=2+",
    "=1-9:2",
    "=2-8:2:*",
    "=[2+:3:^]",
    "=4,9,16",
    "=[1,3-5]",
]
VALUES = [
    "GB",
    "1",
    "-2.5",
    "1e3",
    "true",
    "False",
    "null",
    "'a,b'",
    '"1"',
    "4GB",
    "a:b",
    "-x",
    "{}",
    "{a:1}",
]
KEYS = ["unit", "id", "a-b", "'k v'", "x", "exclusive", "b c"]


def spaced(rng, text):
    return text if rng.random() < 0.95 else f" {text} "


def items(rng, keys):
    result = []
    for key in rng.sample([key for key in KEYS if key not in keys], rng.randint(0, 2)):
        form = rng.random()
        if form < 0.5:
            result.append(f"{key}:{rng.choice(VALUES)}")
        else:
            result.append(f"{rng.choice(['', '+', '-'])}{key}")
    return [] if {"x", "exclusive"} <= {item.strip("+-").partition(":")[0] for item in result} else result


def vertex(rng, depth, labels):
    number = rng.choice(COUNTS)
    if rng.random() < 0.4:
        entries = items(rng, [])
        if len(labels) or entries or rng.random() < 0.7:
            entries.insert(0, f"l{len(labels)}")
        labels.append(entries)
        braces = f"{{{','.join(entries)}}}" if entries else ""
        return f"slot{spaced(rng, number)}{braces}/{level(rng, depth + 1, labels)}"
    entries = items(rng, [])
    braces = f"{{{','.join(entries)}}}" if entries or rng.random() < 0.1 else ""
    below = f"/{level(rng, depth + 1, labels)}" if depth < 4 and rng.random() < 0.4 else ""
    return f"{rng.choice(TYPES)}{spaced(rng, number)}{braces}{below}"


def level(rng, depth, labels):
    if depth > 5 or rng.random() < 0.6:
        return vertex(rng, depth, labels) if depth < 6 else "core"
    return f"[{';'.join(vertex(rng, depth + 1, labels) for _ in range(rng.randint(1, 3)))}]"


def mine(text):
    return shape.parse(text, "task", range_strings=True)


def test_shapes(ask, rng):
    texts = [level(rng, 0, []) for _ in range(COUNT)]
    ours = answers(mine, texts, FormatError)
    print(sum(isinstance(answer, list) for answer in ours), "accepted")
    several = [isinstance(answer, Refused) and "of several slots" in answer.text for answer in ours]
    assert sum(several) < COUNT / 10
    theirs = ask(THEIRS, texts)
    rows = [row for row, skip in zip(zip(texts, ours, theirs, strict=True), several, strict=True) if not skip]
    assert differing(*zip(*rows, strict=True)) == []
