# SPDX-License-Identifier: LGPL-3.0-or-later
"""Manual pages, made of the reference pages of the commands when a wheel is built.

Only what those pages hold is understood: headings, paragraphs, fenced blocks and tables of two columns.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).parent / "reference"
_ROW = re.compile(r"\| \[rosin (?P<name>\S+)\]\((?P<file>[\w-]+\.md)\) \| (?P<text>.*) \|")
_CELLS = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_CODE = re.compile(r"`([^`]*)`")


def pages(version: str) -> dict[str, str]:
    """File name -> roff, of all commands."""
    index = (REFERENCE / "README.md").read_text(encoding="utf-8")
    return {
        f"rosin-{row['name']}.1": page(
            row["name"], row["text"], (REFERENCE / row["file"]).read_text(encoding="utf-8"), version
        )
        for row in _ROW.finditer(index)
    }


def page(name: str, summary: str, text: str, version: str) -> str:
    """The manual page of a command from its reference page in Markdown."""
    lines = [
        '.\\" Made of docs/reference of Rosin',
        f'.TH "ROSIN\\-{_escaped(name).upper()}" "1" "" "rosin {version}" "Rosin"',
        ".SH NAME",
        f"rosin\\-{_escaped(name)} \\- {_escaped(_plain(summary))}",
        *_body(text),
        ".SH SEE ALSO",
        ".nf",
        "\\fBrosin help\\fR \\fICOMMAND\\fR",
        "https://github.com/rosin\\-project/rosin/blob/main/docs/index.md",
        ".fi",
    ]
    return "\n".join(lines) + "\n"


def _body(text: str) -> Iterator[str]:
    """The page below its name: the synopsis, what was said before it, the tables, the subcommands."""
    said: list[str] | None = []  # before the synopsis
    block: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("```"):
            if block is None:
                block = []
                continue
            yield from (".SH SYNOPSIS" if said is not None else ".PP", ".nf", *map(_escaped, block), ".fi")
            if said is not None:
                yield from (".SH DESCRIPTION", *said)
            said = block = None
        elif block is not None:
            block.append(line)
        elif line.startswith("##"):
            level, _, title = line.partition(" ")
            yield f".{'SH' if level == '##' else 'SS'} {_quoted(title.removeprefix('rosin ').upper())}"
        elif line.startswith("|"):
            yield from _row(line)
        elif line.strip() and not line.startswith(("<!--", "# ")):
            shown = (".PP", _escaped(_plain(line)))
            if said is None:
                yield from shown
            else:
                said += shown


def _row(line: str) -> Iterator[str]:
    """A row of a table: what stands in the first column, and what it means."""
    name, meaning = (cell.strip().replace("\\|", "|") for cell in _CELLS.split(line)[1:3])
    if name.startswith("`"):
        yield from (".TP", f"\\fB{_escaped(_plain(name))}\\fR", _escaped(_plain(meaning)))


def _plain(text: str) -> str:
    """Without the marks of Markdown."""
    return _CODE.sub(r"\1", _LINK.sub(r"\1", text))


def _escaped(text: str) -> str:
    """A line of roff that shows this text."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown[:1] in (".", "'") else shown


def _quoted(text: str) -> str:
    return '"' + _escaped(text).replace('"', "\\(dq") + '"'
