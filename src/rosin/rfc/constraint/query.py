# SPDX-License-Identifier: LGPL-3.0-or-later
"""Constraint queries (RFC 35): ``-host:a (name:x or state:run)`` to an RFC 31 object.

AND binds tighter than OR, also where white space stands for it; flux-core's parser reads ``a b|c d`` as
``(a b|c) d`` there. ``and``, ``or`` and ``not`` are words only when nothing else is attached to them.
Lists of one operator in another are flattened.
"""

from __future__ import annotations

from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

#: Parentheses and negations within one another.
MAX_DEPTH = 64

_SPACE = " \t\r\n\f\v"
_ENDS_WORD = _SPACE + "()|&\"'"
_PREFIXES = {"properties": "", "hostlist": "host:", "ranks": "rank:"}
_WORDS = {"and": "&", "or": "|", "not": "!"}


def parse(
    query: str,
    operators: Mapping[str | None, str] | None = None,
    split: Mapping[str, str] | None = None,
    combine: Collection[str] = (),
) -> dict[str, Any]:
    """Compile a query to an RFC 31 object; FormatError names the column of a fault.

    Args:
        query: the text. An empty one is an error.
        operators: short names to operators; the key None gives the operator of bare terms, which are an
            error without it.
        split: operators whose operand is several values, with the text between them (``{"host": ","}``).
        combine: operators whose values are put into one list when terms are joined by AND.
    """
    parser = _Parser(_tokens(query), len(query) + 1)
    parser.operators, parser.split, parser.combine = operators or {}, split or {}, combine
    result = parser.any_of(0)
    kind, _, column = parser.peek()
    if kind != "end":
        raise FormatError(f"query: unexpected '{kind}' at column {column}")
    return result


def parse_resources(query: str) -> dict[str, Any]:
    """Compile a query for resources, as ``gpu and not host:n[0-3]``: properties, hosts and ranks.

    Raises FormatError.
    """
    operators = {None: "properties", "host": "hostlist", "hosts": "hostlist", "rank": "ranks"}
    return parse(query, operators, {"properties": ","}, {"properties"})


def render(constraint: Any) -> str:
    """The query for an RFC 31 object, as ``--requires`` takes it: ``gpu and not host:n[0-3]``.

    ``constraint``: one that has been validated; "" for None and {}.
    """
    if not constraint:
        return ""
    ((operator, values),) = constraint.items()
    if operator in ("and", "or"):
        return f" {operator} ".join(_grouped(value) for value in values)
    if operator == "not":
        inner = " and ".join(_grouped(value) for value in values)
        return f"not ({inner})" if len(values) > 1 else f"not {inner}"
    return f"{_PREFIXES.get(operator, f'{operator}:')}{','.join(map(str, values))}"


def _grouped(constraint: Any) -> str:
    text = render(constraint)
    return f"({text})" if "and" in constraint or "or" in constraint else text


class _Parser:
    """Recursive descent over ``(kind, text, column)`` tokens; kinds: ( ) & | ! - term end."""

    __slots__ = ("at", "combine", "operators", "split", "tokens")

    operators: Mapping[str | None, str]
    split: Mapping[str, str]
    combine: Collection[str]

    def __init__(self, tokens: list[tuple[str, str, int]], end: int) -> None:
        self.tokens = [*tokens, ("end", "", end)]
        self.at = 0

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at]

    def take(self) -> tuple[str, str, int]:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def any_of(self, depth: int) -> dict[str, Any]:
        terms = [self.all_of(depth)]
        while self.peek()[0] == "|":
            self.take()
            terms.append(self.all_of(depth))
        return _join("or", terms)

    def all_of(self, depth: int) -> dict[str, Any]:
        terms = [self.one(depth)]
        while self.peek()[0] in ("&", "!", "-", "(", "term"):
            if self.peek()[0] == "&":
                self.take()
            terms.append(self.one(depth))
        return self.combined(_join("and", terms))

    def one(self, depth: int) -> dict[str, Any]:
        kind, text, column = self.take()
        if depth > MAX_DEPTH:
            raise FormatError(f"query: nested deeper than {MAX_DEPTH} levels at column {column}")
        if kind == "term":
            return self.term(text, column)
        if kind == "!":
            return {"not": [self.one(depth + 1)]}
        if kind == "-":
            kind, text, column = self.take()
            if kind != "term":
                raise FormatError(f"query: '-' negates only a term, at column {column}; write not (...)")
            return {"not": [self.term(text, column)]}
        if kind == "(":
            inner = self.any_of(depth + 1)
            end, _, where = self.take()
            if end == "end":
                raise FormatError(f"query: unclosed '(' at column {column}")
            if end != ")":
                raise FormatError(f"query: unexpected '{end}' at column {where}")
            return inner
        if kind == "end":
            raise FormatError(f"query: a term is missing at column {column}")
        raise FormatError(f"query: unexpected '{kind}' at column {column}")

    def term(self, text: str, column: int) -> dict[str, Any]:
        operator, colon, operand = text.partition(":")
        shown = text[:40]
        if not colon:
            if None not in self.operators:
                raise FormatError(f"query: missing operator in '{shown}' at column {column}")
            operator, operand = self.operators[None], text
        else:
            operator = self.operators.get(operator, operator)
        if not operator or operator in ("and", "or", "not"):
            raise FormatError(f"query: invalid operator '{operator[:40]}:' at column {column}")
        for character in operator:
            if not (character.isalnum() or character in "_.+@-"):
                where = f"operator '{operator[:40]}:' at column {column}"
                raise FormatError(f"query: invalid character '{character}' in {where}")
        separator = self.split.get(operator)
        return {operator: operand.split(separator) if separator else [operand]}

    def combined(self, joined: dict[str, Any]) -> dict[str, Any]:
        """Put the values of like terms of an AND into the first of them."""
        if not self.combine or "and" not in joined:
            return joined
        terms: list[dict[str, Any]] = []
        known: dict[str, list[Any]] = {}
        for term in joined["and"]:
            (operator,) = term
            if operator in known:
                known[operator] += term[operator]
                continue
            terms.append(term)
            if operator in self.combine:
                known[operator] = term[operator]
        return {"and": terms} if len(terms) > 1 else terms[0]


def _join(operator: str, terms: list[dict[str, Any]]) -> dict[str, Any]:
    if len(terms) == 1:
        return terms[0]
    flat: list[dict[str, Any]] = []
    for term in terms:
        flat += term.get(operator, [term])
    return {operator: flat}


def _tokens(query: str) -> list[tuple[str, str, int]]:
    tokens: list[tuple[str, str, int]] = []
    at = 0
    while at < len(query):
        character = query[at]
        if character in _SPACE:
            at += 1
        elif character in "()-":
            tokens.append((character, character, at + 1))
            at += 1
        elif character in "&|":
            tokens.append((character, character, at + 1))
            at += 2 if query.startswith(character, at + 1) else 1
        else:
            start = at
            text, at = _operand(query, at)
            if character in "\"'":
                if not text:
                    raise FormatError(f"query: empty term at column {start + 1}")
                if text.endswith(":"):
                    raise FormatError(f"query: missing argument to '{text[-40:]}' at column {start + 1}")
            elif text in _WORDS:
                tokens.append((_WORDS[text], text, start + 1))
                continue
            elif text.endswith(":"):
                while at < len(query) and query[at] in _SPACE:
                    at += 1
                if at == len(query) or query[at] in "()|&-":
                    raise FormatError(f"query: missing argument to '{text[-40:]}' at column {start + 1}")
                operand, at = _operand(query, at)
                text += operand
            tokens.append(("term", text, start + 1))
    return tokens


def _operand(query: str, at: int) -> tuple[str, int]:
    """Read a quoted text or a word; returns it and where it ends."""
    if query[at] in "\"'":
        end = query.find(query[at], at + 1)
        if end < 0:
            raise FormatError(f"query: unclosed quote at column {at + 1}")
        return query[at + 1 : end], end + 1
    end = at
    while end < len(query) and query[end] not in _ENDS_WORD:
        end += 1
    return query[at:end], end
