# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 35: random queries, the same constraint as flux-core's parser makes.

Differences, which the queries avoid or the comparison levels out:

- AND without a sign binds as tightly as ``&`` here (RFC 35); in flux-core as loosely as ``|``.
- flux-core flattens the lists of one operator in another only on the left.
- flux-core takes operators without a name (``:a``), skips ``''`` where a term is expected, reads
  ``a:(b)`` as ``a:b``, and joins what follows to a quoted text that ends in a colon.
"""

import pytest

from rosin.errors import FormatError
from rosin.rfc.constraint.query import parse

from .conftest import answers, differing

COUNT = 10_000
OPERATORS = {None: "name", "h": "host"}
THEIRS = """
__name__ = "flux.constraint.parser"
from flux.constraint.parser import ConstraintParser
class Parser(ConstraintParser):
    operator_map = {None: "name", "h": "host"}
    split_values = {"host": ","}
    combined_terms = set()
parser = Parser()
def answer(query):
    global parser
    try:
        return parser.parse(query)
    except Exception:
        parser = Parser()
        raise
"""


def mine(query):
    return parse(query, OPERATORS, {"host": ","})


def term(rng):
    words = ["a", "b", "foo-bar", "android", "x:y", "h:a,b", "state:run", "t:11:00", "q:'a b'", '"c d"']
    return rng.choice([*words, "-a", "-x:y"])


def query(rng, depth=0):
    """An expression whose white space is beside no ``|`` of the same level."""
    kind = rng.random()
    if depth > 4 or kind < 0.35:
        return term(rng)
    if kind < 0.5:
        return f"({query(rng, depth + 1)})"
    if kind < 0.6:
        return f"not {rng.choice([term(rng), f'({query(rng, depth + 1)})'])}"
    parts = [query(rng, depth + 1) for _ in range(rng.randint(2, 3))]
    parts = [part if part.isalpha() else f"({part})" for part in parts]
    return rng.choice(["&", "&&", " and ", "|", "||", " or ", " "]).join(parts)


def flat(constraint):
    """The constraint with lists of one operator in another flattened."""
    if not isinstance(constraint, dict):
        return constraint
    ((operator, values),) = constraint.items()
    result = []
    for value in map(flat, values):
        inner = value.get(operator) if isinstance(value, dict) and operator in ("and", "or") else None
        result += [value] if inner is None else inner
    return {operator: result}


def test_queries(ask, rng):
    queries = [query(rng) for _ in range(COUNT)]
    theirs = [flat(answer) for answer in ask(THEIRS, queries)]
    assert differing(queries, answers(mine, queries, FormatError), theirs) == []


def nameless(constraint):
    """Whether an operator without a name is in it."""
    if not isinstance(constraint, dict):
        return False
    return "" in constraint or any(nameless(value) for values in constraint.values() for value in values)


@pytest.mark.parametrize("alphabet", ["ab:&()'-x,h ", "ab:&|-,h", "ab|()-:", "a&|()notrd "])
def test_text(ask, rng, alphabet):
    """Any text: the same constraint, or both refuse it."""
    queries = ["".join(rng.choices(alphabet, k=rng.randint(1, 12))) for _ in range(COUNT // 2)]
    rows = zip(queries, answers(mine, queries, FormatError), ask(THEIRS, queries), strict=True)
    rows = [(text, ours, flat(theirs)) for text, ours, theirs in rows]  # type: ignore[assignment]
    taken = sum(isinstance(ours, dict) for _, ours, _ in rows)
    apart = [row for row in rows if row[1] != row[2] and not nameless(row[2]) and not odd(row[0])]
    apart = [row for row in apart if "|" not in row[0] or not loose(row[0])]
    print(f"{len(rows)} texts over {alphabet!r}: {taken} accepted")
    assert taken > 100
    assert apart[:10] == []


def odd(text):
    """Whether flux-core may take what is refused here."""
    return any(sign in text for sign in ("''", ":(", ":'"))


def loose(text):
    """Whether there may be an AND without a sign."""
    return any(sign in text for sign in (" ", ")", "(", "-"))
