# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 36: submission directives, the options of a job that stand in its script.

``# flux: -N4 --queue=batch`` holds two arguments. Words are split and quoted as flux-core does it: spaces and
the shell's operators ``( ) ; < > | &`` part words, ``#`` begins a comment anywhere outside quotes, and a
backslash escapes any character outside quotes, itself and the quote inside them. Text in triple quotes is
literal, on one line or over several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAGS = ("flux:", "FLUX:")
_TRIPLE = ('"""', "'''")
_SPACE = " \t\r\n"
_OPERATORS = "();<>|&"
_ENDS_WORD = frozenset(_SPACE + _OPERATORS + "#'\"\\")


class Directive:
    """One directive: its arguments and the number of the line on which it begins, from 1."""

    __slots__ = ("args", "line")

    def __init__(self, line: int, args: list[str]) -> None:
        self.line = line
        self.args = args

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Directive):
            return NotImplemented
        return (self.line, self.args) == (other.line, other.args)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Directive({self.line}, {self.args!r})"


def parse(text: str | Iterable[str]) -> list[Directive]:
    """Find the directives of a script, given as its text or its lines. Raises FormatError naming the line.

    Directives without arguments are left out.
    """
    reader = _Reader()
    lines = text.removesuffix("\n").split("\n") if isinstance(text, str) else text
    for number, line in enumerate(lines, 1):
        reader.line(number, line.rstrip("\r\n"))
    reader.end()
    return reader.directives


class _Reader:
    """Sees the lines one after the other."""

    __slots__ = ("directives", "open", "prefix", "sentinel", "stopped")

    def __init__(self) -> None:
        self.directives: list[Directive] = []
        self.sentinel: str | None = None
        self.prefix = ""
        self.stopped = 0  # the line that ended the directives, 0 before it
        self.open: _Literal | None = None

    def line(self, number: int, line: str) -> None:
        sentinel = _sentinel(line)
        if sentinel is None:
            if self.open is not None:
                raise self.open.unclosed(f"line {number} is no directive")
            if self.sentinel is not None and not self.stopped and line.strip():
                # "#" alone goes on with what "# flux:" began.
                self.stopped = 0 if line.startswith(self.prefix) else number
            return
        if self.stopped:
            raise FormatError(
                f"directives: line {number}: orphan '{sentinel.strip()}': "
                f"directives ended at line {self.stopped}"
            )
        if self.sentinel is None:
            self.sentinel, self.prefix = sentinel, sentinel[: -len(_TAGS[0])].rstrip()
        elif sentinel != self.sentinel:
            raise FormatError(
                f"directives: line {number}: sentinel changed from '{self.sentinel}' to '{sentinel}': "
                f"all directives need the same, and '{self.sentinel} #' disables one"
            )
        value = line[len(sentinel) :]
        if self.open is None:
            self.begin(number, value)
        elif self.open.add(value):
            self.store(self.open.line, self.open.args)
            self.open = None

    def begin(self, number: int, value: str) -> None:
        args, quote = _split(value, f"directives: line {number}")
        if quote:
            self.open = _Literal(number, args, quote, value)
        else:
            self.store(number, args)

    def store(self, number: int, args: list[str]) -> None:
        if args and not args[0].startswith("-"):
            raise FormatError(
                f"directives: line {number}: unknown directive '{args[0][:40]}': "
                "expected an option, which begins with -"
            )
        if args:
            self.directives.append(Directive(number, args))

    def end(self) -> None:
        if self.open is not None:
            raise self.open.unclosed("the script ends")


class _Literal:
    """Text in triple quotes over several lines, which ends the last of the arguments."""

    __slots__ = ("args", "indent", "line", "lines", "quote")

    def __init__(self, line: int, args: list[str], quote: str, value: str) -> None:
        self.line = line
        self.args = args
        self.quote = quote
        self.indent = value[: len(value) - len(value.lstrip())]
        self.lines: list[str] = []

    def add(self, value: str) -> bool:
        """Add a line; True when it closes the literal, which is then part of the last argument."""
        last = value.rstrip()
        closes = last.endswith(self.quote)
        self.lines.append((last[: -len(self.quote)] if closes else value).removeprefix(self.indent))
        if closes:
            self.args[-1] += "\n".join(self.lines)
        return closes

    def unclosed(self, where: str) -> FormatError:
        return FormatError(f"directives: line {self.line}: unclosed {self.quote}: {where}")


def _sentinel(line: str) -> str | None:
    """Return what a directive begins with: a prefix without letters, digits or ``_``, and the tag."""
    found = [at for at in (line.find(tag) for tag in _TAGS) if at >= 0]
    if not found:
        return None
    prefix = line[: min(found)]
    if any(character.isalnum() or character == "_" for character in prefix):
        return None
    return line[: min(found) + len(_TAGS[0])]


def _split(value: str, place: str) -> tuple[list[str], str]:
    """Split the text of a directive to arguments, and return the triple quotes that it leaves open or ``""``.

    What is in the open quotes goes on at the end of the last argument.
    """
    args: list[str] = []
    word: list[str] | None = None  # the parts of a word that has begun
    at, end = 0, len(value)
    while at < end:
        character = value[at]
        if character in _SPACE or character in _OPERATORS or character == "#":
            if word is not None:
                args.append("".join(word))
                word = None
            if character == "#":
                break
            start = at
            while at < end and value[at] in _OPERATORS:
                at += 1
            if at > start:
                args.append(value[start:at])
            else:
                at += 1
            continue
        word = [] if word is None else word
        if value.startswith(_TRIPLE, at):
            quote = value[at : at + 3]
            close = value.find(quote, at + 3)
            if close < 0:
                if value[at + 3 :].strip():
                    raise FormatError(f"{place}: unclosed {quote}: {value[at : at + 40]}")
                args.append("".join(word))
                return args, quote
            word.append(value[at + 3 : close])
            at = close + 3
        elif character in "'\"":
            at = _quoted(value, at, word, place)
        elif character == "\\":
            if at + 1 == end:
                raise FormatError(f"{place}: nothing follows the backslash at the end")
            word.append(value[at + 1])
            at += 2
        else:
            start = at
            while at < end and value[at] not in _ENDS_WORD:
                at += 1
            word.append(value[start:at])
    if word is not None:
        args.append("".join(word))
    return args, ""


def _quoted(value: str, start: int, word: list[str], place: str) -> int:
    """Append the text in the quotes at *start* to *word*; returns where it ends."""
    quote, at, close = value[start], start + 1, -1
    while True:
        if close < at:
            close = value.find(quote, at)
        if close < 0:
            raise FormatError(f"{place}: unclosed {quote}: {value[start : start + 40]}")
        escape = value.find("\\", at, close)
        if escape < 0:
            word.append(value[at:close])
            return close + 1
        word.append(value[at:escape])
        follows = value[escape + 1]
        word.append(follows if follows in (quote, "\\") else f"\\{follows}")
        at = escape + 2
