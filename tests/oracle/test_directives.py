# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 36: random scripts, the same directives as flux-core finds in them.

Differences, which the scripts avoid:

- Text in triple quotes is literal here. flux-core takes backslashes before quotes and backslashes out of it,
  and changes triple quotes of the other kind within several lines.
- flux-core refuses white space after triple quotes at the end of a line, a second literal on a line, and
  sees triple quotes also within other quotes.
- A literal that is open at the end of the script is refused here, and left out by flux-core.
"""

from rosin.errors import FormatError
from rosin.rfc.directives import parse

from .conftest import answers, differing

COUNT = 10_000
THEIRS = """
import io
from flux.job.directives import DirectiveParser
def answer(text):
    found = DirectiveParser(io.StringIO(text)).directives
    return [[one.lineno, one.args] for one in found if one.args]
"""
WORDS = [
    "-N4",
    "--queue=batch",
    "-c",
    "2",
    "--x='a b'",
    '"c d"',
    "'e'\"f\"",
    "''",
    "a\\ b",
    "\\'",
    "-a|b",
    "x;y",
    "#no",
]
WORDS += [
    '"\\""',
    "'it\\'s'",
    "'\\n'",
    '"\\x"',
    '--a="b\'c"',
    "=",
    "'",
    '"',
    "\\",
    "é",
    '"""a \'b\' "c" #"""',
    "'''d'''",
]


def mine(text):
    return [[one.line, one.args] for one in parse(text)]


def directive(rng):
    words = [rng.choice(["-x", "--long", "-x", "--a=b", "word"]), *rng.choices(WORDS, k=rng.randint(0, 3))]
    if sum(word[:3] in ("'''", '"""') for word in words) and (len(words) > 2 or len(words[-1]) == 1):
        words = [words[0], "'''d \"e\" #'''", "-y"]
    return rng.choice([" ", ""]) + rng.choice([" ", "  ", "\t"]).join(words)


def script(rng):
    prefix = rng.choice(["# ", "#", "-- ", "", "    ", "//  "])
    tag = rng.choice(["flux:", "FLUX:"])
    lines = rng.choice([[], ["#!/bin/sh"], ["#!/bin/sh", "# text", ""]])
    for _ in range(rng.randint(0, 6)):
        kind = rng.random()
        if kind < 0.6:
            lines.append(f"{prefix}{tag}{directive(rng)}")
        elif kind < 0.7:
            quote = rng.choice(['"""', "'''"])
            body = rng.choices(["a", "  b 'c'", "[x]", "", ' d = "e"', "# f"], k=rng.randint(0, 3))
            lines.append(f"{prefix}{tag} --conf={quote}")
            lines += [f"{prefix}{tag} {line}" for line in body]
            lines.append(f"{prefix}{tag} {quote}")
        else:
            lines.append(
                rng.choice(["", "   ", f"{prefix}text", prefix.strip(), "echo", "#flux: -q", "x flux: y"])
            )
    return "".join(f"{line}\n" for line in lines)


def test_scripts(ask, rng):
    scripts = [script(rng) for _ in range(COUNT)]
    ours = answers(mine, scripts, FormatError)
    print(sum(isinstance(answer, list) for answer in ours), "accepted")
    assert differing(scripts, ours, ask(THEIRS, scripts)) == []
