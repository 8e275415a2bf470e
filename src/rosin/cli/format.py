# SPDX-License-Identifier: LGPL-3.0-or-later
"""The output format mini-language of listing commands (flux-jobs(1), OUTPUT FORMAT).

A format is a Python format string over the fields of an item: ``{id.f58:>12} {name:<10.10+} {t_run!d:%R}``.
Before a field, ``?:`` drops the column when it is empty for all items, ``+:`` makes it as wide as the widest
value, ``?+:`` does both. A leading ``sort:KEY,-KEY`` names the sort order.
"""

from __future__ import annotations

from rosin.cli.fields import MISFITS, Spec, check, empty_outputs, getter, renderer, sort_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, ClassVar, Self

    Part = tuple[str, str, str, str]

#: Marks before a field, longest first.
_MARKS = ("?+:", "?:", "+:")


def parse(fmt: str) -> list[Part]:
    """Split a format into (literal text before the field, field, spec, conversion); "" for what is not there.

    Raises ValueError.
    """
    from _string import formatter_parser  # type: ignore[import-not-found]

    return [(text, field or "", spec or "", conv or "") for text, field, spec, conv in formatter_parser(fmt)]


def join_part(text: str, field: str, spec: str, conversion: str) -> str:
    """The format source of a part."""
    text = text.replace("{", "{{").replace("}", "}}")
    if not field:
        return text
    return f"{text}{{{field}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"


def _mark(text: str) -> str:
    return next((mark for mark in _MARKS if text.endswith(mark)), "")


class _Column:
    """A marked field and the width of its widest value."""

    __slots__ = ("_empty", "_heading", "_render", "_spec", "mark", "widest")

    def __init__(self, render: Callable[[Any], str], spec: str, mark: str, heading: int) -> None:
        self._render = render
        self._empty = empty_outputs()
        self._spec = spec
        self._heading = heading
        self.mark = mark
        self.widest = 0

    def measure(self, item: Any) -> None:
        try:
            text = self._render(item)
        except MISFITS:
            return  # the line of the item will tell
        if len(text) > self.widest and text not in self._empty:
            self.widest = len(text)

    def spec(self) -> str:
        if "+" not in self.mark:
            return self._spec
        parsed = Spec(self._spec)
        return parsed.widened(max(self.widest, parsed.width, self._heading))


class OutputFormat:
    """A parsed format.

    ``headings`` maps each valid field to its column heading; a subclass may have them as an attribute. Raises
    ValueError for an unknown field, sort key or bad syntax. ``sort_keys`` is a list of (field, reverse).
    """

    headings: ClassVar[Mapping[str, str]] = {}
    #: Whether values come from users, and may hold control characters.
    foreign: ClassVar[bool] = False

    def __init__(self, fmt: str, headings: Mapping[str, str] | None = None) -> None:
        self._headings = self.headings if headings is None else headings
        self.sort_keys: list[tuple[str, bool]] = []
        self.source = self._take_sort_keys(fmt)
        self.parts = parse(self.source)
        for _, field, spec, conversion in self.parts:
            if field and field not in self._headings:
                raise ValueError(f"Unknown format field: {field}")
            check(field, conversion, spec)
        self._renderers: list[tuple[str, Callable[[Any], str] | None]] | None = None

    def _take_sort_keys(self, fmt: str) -> str:
        if not fmt.startswith("sort:"):
            return fmt
        end = 5
        while end < len(fmt) and fmt[end] != "{" and not fmt[end].isspace():
            end += 1
        if end == 5:
            return fmt
        self.set_sort_keys(fmt[5:end])
        return fmt[end + 1 :] if fmt[end : end + 1] == " " else fmt[end:]

    @property
    def fields(self) -> list[str]:
        """The fields that are shown or sorted by."""
        return list(
            dict.fromkeys([part[1] for part in self.parts if part[1]] + [key for key, _ in self.sort_keys])
        )

    def set_sort_keys(self, sort_keys: str) -> None:
        """Sort by these comma-separated fields, in reverse where a ``-`` leads. Raises ValueError."""
        result = []
        for word in sort_keys.split(","):
            key = word.strip()
            reverse = key.startswith("-")
            key = key[1:] if reverse else key
            if key and key not in self._headings:
                raise ValueError(f"Invalid sort key: {key}")
            if key:
                result.append((key, reverse))
        self.sort_keys = result

    def get_format(self) -> str:
        """The format as text, with its sort keys."""
        return self._sort_prefix() + self.source

    def _sort_prefix(self) -> str:
        keys = ",".join(f"-{key}" if reverse else key for key, reverse in self.sort_keys)
        return f"sort:{keys} " if keys else ""

    def copy(self, except_fields: Iterable[str] = (), nullify_expansion: bool = False) -> Self:
        """The same format without some fields; ``nullify_expansion`` drops the widths of ``+:`` fields."""
        words = [join_part(*part) for part in self.remaining(except_fields, nullify_expansion)]
        return type(self)(self._sort_prefix() + "".join(words), self._headings)

    def remaining(self, except_fields: Iterable[str] = (), nullify_expansion: bool = False) -> list[Part]:
        """The parts of :meth:`copy`."""
        without = set(except_fields)
        parts = []
        for text, field, spec, conversion in self.parts:
            if field in without:
                if text.strip() and text.strip() not in _MARKS:
                    parts.append((text, "", "", ""))
            elif nullify_expansion and text.endswith("+:"):
                parts.append(("", field, "", conversion))
            else:
                parts.append((text, field, spec, conversion))
        return parts

    def format(self, obj: Any) -> str:
        """The line of an obj. Marks that :meth:`filter` has not removed are printed as they are."""
        if self._renderers is None:
            self._renderers = [
                (text, self._renderer(field, conversion, spec) if field else None)
                for text, field, spec, conversion in self.parts
            ]
        try:
            return "".join([text + render(obj) if render else text for text, render in self._renderers])
        except MISFITS as exc:
            raise ValueError(self._misfit(obj) or str(exc)) from None

    def _renderer(self, field: str, conversion: str, spec: str) -> Callable[[Any], str]:
        return renderer(field, conversion, spec, self.foreign)

    def _misfit(self, item: Any) -> str:
        """Which field cannot be shown, and why."""
        for (_, render), (_, field, spec, conversion) in zip(self._renderers or (), self.parts, strict=True):
            try:
                if render is not None:
                    render(item)
            except MISFITS as exc:
                return f"Error in format: {join_part('', field, spec, conversion)}: {exc}"
        return ""

    def header(self, width: int = -1) -> str:
        """The heading line, cut to ``width`` columns as in :meth:`print_items`."""
        words = []
        for text, field, spec, _ in self.parts:
            words.append(text)
            if field:
                try:
                    words.append(format(self._headings[field], Spec(spec).header))
                except ValueError as exc:
                    raise ValueError(f"Error in format: {join_part('', field, spec, '')}: {exc}") from None
        return _cut("".join(words), terminal_width(width))

    def filter(self, items: Iterable[Any], no_header: bool = False) -> str:
        """The format that the marks make of this one for ``items``.

        The heading counts for the width of a ``+:`` column, unless ``no_header``.
        """
        columns = {
            index: _Column(
                self._renderer(field, conversion, ""),
                spec,
                _mark(text),
                0 if no_header else len(self._headings[field]),
            )
            for index, (text, field, spec, conversion) in enumerate(self.parts)
            if field and _mark(text)
        }
        if not columns:
            return self._sort_prefix() + self.source
        for item in items:
            for column in columns.values():
                column.measure(item)
        words = []
        for index, (text, field, spec, conversion) in enumerate(self.parts):
            if index not in columns:
                words.append(join_part(text, field, spec, conversion))
                continue
            column = columns[index]
            if column.widest or column.mark == "+:":
                words.append(join_part(text.removesuffix(column.mark), field, column.spec(), conversion))
        return self._sort_prefix() + "".join(words)

    def sort_items(self, items: list[Any]) -> list[Any]:
        """Sort the list in place by the sort keys, and return it."""
        for key, reverse in reversed(self.sort_keys):
            read = getter(key)
            try:
                items.sort(key=lambda item, read=read: sort_key(read(item)), reverse=reverse)  # type: ignore[misc]
            except MISFITS as exc:
                raise ValueError(f"cannot sort by {key}: {exc}") from None
        return items

    def lines(self, items: Iterable[Any], width: int = -1) -> Iterable[tuple[Any, str]]:
        """Yield each item with its line; items with an empty line are left out."""
        columns = terminal_width(width)
        for item in items:
            line = self.format(item)
            if line and not line.isspace():
                yield item, _cut(line, columns)

    def print_items(
        self,
        items: Sequence[Any],
        no_header: bool = False,
        width: int = -1,
        pre: Callable[[Any], Any] | None = None,
        post: Callable[[Any], Any] | None = None,
    ) -> None:
        """Print a heading and a line per item, filtered and sorted.

        ``width``: cut lines after so many columns, 0: those of the terminal, < 0: not. ``pre(item)`` and
        ``post(item)`` are called around each line.
        """
        import sys

        final = type(self)(self.filter(items, no_header), self._headings)
        rows = self.sort_items(list(items))
        if not no_header:
            sys.stdout.write(final.header(width) + "\n")
        if pre is None and post is None:
            sys.stdout.writelines(line + "\n" for _, line in final.lines(rows, width))
            return
        for item, line in final.lines(rows, width):
            if pre is not None:
                pre(item)
            sys.stdout.write(line + "\n")
            if post is not None:
                post(item)


def terminal_width(width: int) -> int:
    """The width to cut lines at: ``width``, or for 0 that of the terminal; -1 without one."""
    if width:
        return width
    import os

    try:
        return os.get_terminal_size().columns or -1
    except OSError:
        return -1


def _cut(line: str, width: int) -> str:
    return line[: width - 1] + "+" if 0 < width < len(line) else line
