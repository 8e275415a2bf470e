# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 46: the resources of a jobspec as one line for a command line, ``slot=4/node/[core=2;gpu]``.

:func:`parse` makes the ``resources`` of RFC 14 from a shape, :func:`encode` a shape from ``resources``.
Beyond the grammar of the RFC, white space may stand between tokens and text may be in single quotes, as
flux-core allows; text in double quotes is a JSON string, so that any text can be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc import count as counts
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Lists within lists, and values within values.
MAX_DEPTH = 64
#: The label of a single slot without one.
DEFAULT_LABEL = "default"

_SPACE = " \t\r\n\f\v"
_ENDS_TYPE = frozenset("={}[]/;\"'" + _SPACE)
_ENDS_KEY = frozenset(":,{}[]\"'")
_ENDS_VALUE = frozenset(",{}[]\"'")
_COUNT = frozenset("0123456789-,:+*^")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_MAX_FLOAT = 1.7976931348623157e308
_OF_VERTEX = ("type", "count", "with")


def parse(text: str, label: str = DEFAULT_LABEL, range_strings: bool = False) -> list[dict[str, Any]]:
    """Return the ``resources`` that a shape stands for. Raises FormatError that names the column.

    *label* is given to a single slot without one. A range becomes an object as in the RFC's examples, or
    with *range_strings* stays the text that it is. Whether the resources make a jobspec (types, labels that
    are unique, known keys) is for :mod:`rosin.rfc.jobspec` to say.
    """
    parser = _Parser(text, range_strings)
    resources = parser.vertices(0)
    if parser.next() is not None:
        raise parser.unexpected("the end")
    if parser.unlabelled:
        slot, column = parser.unlabelled[0]
        if parser.slots > 1:
            raise FormatError(f"shape: a slot without a label, of several slots, at column {column}")
        slot["label"] = label
    return resources


class _Parser:
    """Recursive descent over the text; columns are counted from 1."""

    __slots__ = ("at", "range_strings", "slots", "text", "unlabelled")

    def __init__(self, text: str, range_strings: bool) -> None:
        self.text = text
        self.at = 0
        self.range_strings = range_strings
        self.slots = 0
        self.unlabelled: list[tuple[dict[str, Any], int]] = []

    def next(self) -> str | None:
        """Skip white space; return the character that follows, None at the end."""
        text, at = self.text, self.at
        while at < len(text) and text[at] in _SPACE:
            at += 1
        self.at = at
        return text[at] if at < len(text) else None

    def unexpected(self, wanted: str) -> FormatError:
        found = self.next()
        what = "the end" if found is None else f"'{found}'"
        return FormatError(f"shape: expected {wanted}, got {what} at column {self.at + 1}")

    def take(self, character: str) -> bool:
        if self.next() != character:
            return False
        self.at += 1
        return True

    def need(self, character: str, opened: int, wanted: str) -> None:
        """Take the *character* that closes what was opened at column *opened*."""
        if self.take(character):
            return
        if self.next() is None:
            raise FormatError(f"shape: unclosed '{self.text[opened - 1]}' at column {opened}")
        raise self.unexpected(wanted)

    def vertices(self, depth: int) -> list[dict[str, Any]]:
        self.bounded(depth)
        if not self.take("["):
            return [self.vertex(depth)]
        opened = self.at
        result = [self.vertex(depth)]
        while self.take(";"):
            result.append(self.vertex(depth))
        self.need("]", opened, "';' or ']'")
        return result

    def bounded(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise FormatError(f"shape: nested deeper than {MAX_DEPTH} levels at column {self.at + 1}")

    def vertex(self, depth: int) -> dict[str, Any]:
        self.next()
        column = self.at + 1
        kind, _ = self.string(_ENDS_TYPE, "a resource type")
        vertex: dict[str, Any] = {"type": kind, "count": self.count() if self.take("=") else 1}
        slot = kind == "slot"
        if slot:
            self.slots += 1
            self.unlabelled.append((vertex, column))
        if self.take("{"):
            opened = self.at
            if slot and self.next() != "}":
                vertex["label"] = self.label()
                self.unlabelled.pop()
                if self.take(","):
                    self.items(vertex, opened, depth, _OF_VERTEX)
                else:
                    self.need("}", opened, "',' or '}'")
            elif not self.take("}"):
                self.items(vertex, opened, depth, _OF_VERTEX)
        if self.take("/"):
            vertex["with"] = self.vertices(depth + 1)
        elif slot:
            raise self.unexpected("'/' and what is in the slot")
        return vertex

    def count(self) -> int | str | dict[str, Any]:
        opened = self.at if self.take("[") else 0
        self.next()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in _COUNT:
            self.at += 1
        word = self.text[start : self.at]
        if not word:
            raise self.unexpected("a count")
        if opened:
            self.need("]", opened, "']'")
        try:
            count = counts.parse_string(word)
        except FormatError as error:
            raise FormatError(f"shape: count: {error} at column {start + 1}") from None
        if word.isdecimal():
            return count.min
        return word if self.range_strings or "," in word else count.encode()

    def label(self) -> str:
        column = self.at + 1
        label, quoted = self.string(_ENDS_KEY, "the label of the slot")
        if self.next() == ":" or (not quoted and label[0] in "+-"):
            raise FormatError(
                f"shape: expected the label of the slot before its other keys at column {column}"
            )
        return label

    def items(self, obj: dict[str, Any], opened: int, depth: int, taken: Iterable[str] = ()) -> None:
        """Read one or more ``key:value`` pairs up to the closing brace into *obj*."""
        while True:
            self.next()
            column = self.at + 1
            sign = self.text[self.at : self.at + 1]
            if sign in ("+", "-"):
                self.at += 1
            key, quoted = self.string(_ENDS_KEY, "a key")
            if key == "x" and not quoted:
                key = "exclusive"
            if key in obj or key in taken:
                raise FormatError(f"shape: the key {describe(key)} is given twice at column {column}")
            if sign in ("+", "-"):
                obj[key] = sign == "+"
            else:
                obj[key] = self.value(depth + 1) if self.take(":") else True
            if not self.take(","):
                break
        self.need("}", opened, "',' or '}'")

    def value(self, depth: int) -> Any:
        """Read a JSON value, with short forms in objects and text that need not be quoted."""
        self.bounded(depth)
        if self.take("{"):
            obj: dict[str, Any] = {}
            if not self.take("}"):
                self.items(obj, self.at, depth)
            return obj
        if self.take("["):
            return self.array(depth)
        word, quoted = self.string(_ENDS_VALUE, "a value")
        if quoted:
            return word
        if word.lower() in _WORDS:
            return _WORDS[word.lower()]
        return _number(word)

    def array(self, depth: int) -> list[Any]:
        opened = self.at
        result: list[Any] = []
        if self.take("]"):
            return result
        result.append(self.value(depth + 1))
        while self.take(","):
            result.append(self.value(depth + 1))
        self.need("]", opened, "',' or ']'")
        return result

    def string(self, ends: frozenset[str], wanted: str) -> tuple[str, bool]:
        """Read text up to one of *ends*, or in quotes, which may not be empty unless in quotes."""
        quote = self.next()
        if quote in ('"', "'"):
            return self.quoted(quote), True
        start = self.at
        text, at = self.text, self.at
        while at < len(text) and text[at] not in ends:
            at += 1
        self.at = at
        word = text[start:at].rstrip(_SPACE)
        if not word:
            raise self.unexpected(wanted)
        return word, False

    def quoted(self, quote: str) -> str:
        start, text = self.at, self.text
        end = text.find(quote, start + 1)
        while quote == '"' and end > 0 and _escaped(text, end):
            end = text.find(quote, end + 1)
        if end < 0:
            raise FormatError(f"shape: unclosed quote at column {start + 1}")
        self.at = end + 1
        if quote == "'":
            return text[start + 1 : end]
        try:
            return str(_json.loads(text[start : end + 1]))
        except ValueError:
            raise FormatError(f"shape: the text in quotes is no JSON string at column {start + 1}") from None


def _escaped(text: str, at: int) -> bool:
    """Tell whether an odd number of backslashes is before *at*."""
    start = at
    while text[start - 1] == "\\":
        start -= 1
    return bool((at - start) & 1)


def _number(word: str) -> Any:
    """The JSON number that *word* is, else the text itself."""
    if word[0] not in "-0123456789":
        return word
    try:
        value = _json.loads(word)
    except ValueError:
        return word
    return value if type(value) is int or (type(value) is float and abs(value) <= _MAX_FLOAT) else word


def encode(resources: list[dict[str, Any]], label: str = DEFAULT_LABEL) -> str:
    """Return the shape of the ``resources`` of a jobspec; :func:`parse` reads it back.

    A single slot's label is left out when it is *label*. Counts come back in their shortest form:
    ``{"min": 4, "max": 4}`` as 4. Raises FormatError where RFC 46 has no form for them: a list that is empty,
    a slot without label or children, nesting above MAX_DEPTH.
    """
    return _list(resources, 0, label if _slots(resources) == 1 else None)


def _slots(resources: Any) -> int:
    """Count the slots, as deep as is encoded."""
    level, found = resources, 0
    for _ in range(MAX_DEPTH + 1):
        level = [vertex for vertex in level if type(vertex) is dict] if type(level) is list else []
        found += sum(vertex.get("type") == "slot" for vertex in level)
        level = [child for vertex in level if type(vertex.get("with")) is list for child in vertex["with"]]
    return found


def _list(vertices: Any, depth: int, default: str | None) -> str:
    if type(vertices) is not list or not vertices or depth > MAX_DEPTH:
        what = f"at most {MAX_DEPTH} levels" if depth > MAX_DEPTH else "a non-empty array of resources"
        raise FormatError(f"shape: expected {what}, got {describe(vertices)}")
    texts = [_vertex(vertex, depth, default) for vertex in vertices]
    return texts[0] if len(texts) == 1 else f"[{';'.join(texts)}]"


def _vertex(vertex: Any, depth: int, default: str | None) -> str:
    kind = vertex.get("type") if type(vertex) is dict else None
    if type(kind) is not str:
        raise FormatError("shape: expected a resource with a type")
    try:
        number = counts.parse(vertex.get("count", 1))
    except FormatError as error:
        raise FormatError(f"shape: count of {describe(kind)}: {error}") from None
    parts = [_word(kind, _ENDS_TYPE), "" if str(number) == "1" else f"={number}"]
    rest = {key: value for key, value in vertex.items() if key not in _OF_VERTEX}
    items = []
    if kind == "slot":
        label = rest.pop("label", None)
        if type(label) is not str or "with" not in vertex:
            raise FormatError("shape: a slot needs a label and resources in it")
        if label != default or rest:
            items.append(_word(label, _ENDS_KEY))
    items += [_item(key, value, depth) for key, value in rest.items()]
    if items:
        parts.append(f"{{{','.join(items)}}}")
    if "with" in vertex:
        parts.append(f"/{_list(vertex['with'], depth + 1, default)}")
    return "".join(parts)


def _item(key: Any, value: Any, depth: int) -> str:
    if type(key) is not str:
        raise FormatError(f"shape: expected a string as key, got {describe(key)}")
    name = "x" if key == "exclusive" else '"x"' if key == "x" else _word(key, _ENDS_KEY)
    if type(value) is bool:
        return name if value else f"-{name}"
    return f"{name}:{_value(value, depth + 1)}"


def _value(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise FormatError(f"shape: values are nested deeper than {MAX_DEPTH} levels")
    if type(value) is dict:
        return f"{{{','.join([_item(key, item, depth) for key, item in value.items()])}}}"
    if type(value) is list:
        return f"[{','.join([_value(item, depth + 1) for item in value])}]"
    if type(value) is str:
        word = _word(value, _ENDS_VALUE)
        return word if value.lower() not in _WORDS and _number(word) == word else _quoted(value)
    try:
        return _json.dumps(value).decode()
    except (TypeError, ValueError):
        raise FormatError(f"shape: {describe(value)} is no JSON value") from None


def _word(text: str, ends: frozenset[str]) -> str:
    plain = text and text == text.strip() and text.isprintable() and text[0] not in "+-"
    return text if plain and not any(character in ends for character in text) else _quoted(text)


def _quoted(text: str) -> str:
    try:
        return _json.dumps(text).decode()
    except (TypeError, ValueError):
        raise FormatError(f"shape: {describe(text)} is no text") from None
