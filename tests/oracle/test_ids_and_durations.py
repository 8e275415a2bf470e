# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19 and RFC 23 against flux-core's bindings: 10,000 random inputs each."""

import re

import pytest

from rosin.errors import FormatError
from rosin.rfc import fluid, fsd

from .conftest import Refused, answers, differing

COUNT = 10_000
FORMS = ("dec", "hex", "dothex", "kvs", "f58", "f58plain", "words", "emoji")


def random_id(rng):
    return rng.getrandbits(rng.randint(1, 64))


@pytest.mark.parametrize("form", FORMS)
def test_ids_are_written_alike(ask, rng, form):
    ids = [0, 1, fluid.MAX_FLUID, *(random_id(rng) for _ in range(COUNT))]
    # f58plain is how flux-core writes F58 where the locale has no ƒ.
    code = """
import os
if {form!r} == "f58plain":
    os.environ["FLUX_F58_FORCE_ASCII"] = "1"
from flux.job import id_encode
def answer(n):
    return id_encode(n, "f58" if {form!r} == "f58plain" else {form!r})
"""
    theirs = ask(code.format(form=form), ids)
    if form == "f58":  # as the locale of the interpreter wants it
        theirs = [text.replace("f", "ƒ", 1) if text[0] == "f" else text for text in theirs]
    assert differing(ids, [fluid.encode(number, form) for number in ids], theirs) == []


_PARSE = "from flux.job import id_parse\ndef answer(text): return id_parse(text)"


def test_ids_in_every_form_are_read_alike(ask, rng):
    texts = [" " * rng.randint(0, 2) + fluid.encode(random_id(rng), rng.choice(FORMS)) for _ in range(COUNT)]
    assert differing(texts, answers(fluid.parse, texts, FormatError), ask(_PARSE, texts)) == []


def explained(text: str) -> bool:
    """Whether flux-core differs for a reason that docs/rfc/19.toml gives."""
    body = text.strip()
    return (
        text.rstrip() != text  # white space behind is refused there in most forms
        or "\0" in text  # the end of the text there
        or re.match(r"\+|.*\.([-+ ]|0[xX])|[-+](?=.*\.)|\+|0x.*\.|0X", body)
        is not None  # a C number may have a sign, blanks, 0x
        or (body[:1] in "ƒf" and len(body) >= 12)  # base58 and emoji wrap around there
        or (body[:1] >= "\U0001f000" and len(body) >= 7)
        or (body[:1] in "ƒf" and not body[1:].isascii())  # bytes that are no digits count there
    )


def test_texts_that_are_nearly_ids_are_read_alike(ask, rng):
    alphabet = "0123456789abcdefxABCDEFX.-ƒ😃+ _zlIO"
    texts = []
    while len(texts) < COUNT:
        text = list(fluid.encode(random_id(rng), rng.choice(FORMS)))
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(len(text) + 1)
            text[at : at + rng.randint(0, 2)] = rng.choice(["", rng.choice(alphabet)])
        joined = "".join(text)
        if not explained(joined):
            texts.append(joined)
    ours = answers(fluid.parse, texts, FormatError)
    theirs = ask(_PARSE, texts)
    assert differing(texts, ours, theirs) == []
    assert COUNT // 20 < sum(isinstance(value, Refused) for value in ours) < COUNT


def test_durations_are_read_alike(ask, rng):
    def number():
        value = rng.random() * 10 ** rng.randint(-6, 8)
        return rng.choice([f"{value:.{rng.randint(0, 6)}f}", f"{value:e}", str(int(value)), repr(value)])

    texts = [number() + rng.choice(["", "s", "m", "h", "d", "ms"]) for _ in range(COUNT - 3)]
    texts += ["inf", "INF", "infinity"]
    code = "from flux.util import parse_fsd\ndef answer(text): return parse_fsd(text)"
    rows = zip(texts, map(fsd.parse, texts), ask(code, texts), strict=True)
    # The bindings keep microseconds only.
    assert [row for row in rows if row[1] != row[2] and abs(row[1] - row[2]) > 1e-6 + 1e-14 * row[1]][
        :10
    ] == []


def test_what_is_no_duration_is_refused_alike(ask, rng):
    texts = ["".join(rng.choices("0123456789.e-msdhx", k=rng.randint(1, 6))) for _ in range(COUNT)]
    # The bindings' parser is Python's float(): no hexadecimal numbers, and a limit on large ones.
    texts = [text for text in texts if "x" not in text and not re.search(r"e\d*[3-9]|e\d\d", text)]
    code = """
from flux.util import parse_fsd
def answer(text):
    if parse_fsd(text) < 0:
        raise ValueError(text)
    return True
"""
    ours = answers(lambda text: fsd.parse(text) >= 0, texts, FormatError)
    assert differing(texts, ours, ask(code, texts)) == []
