# SPDX-License-Identifier: LGPL-3.0-or-later
"""The page of RFCs: what docs/rfc/NN.toml says of each, and how much of it the tests prove.

A file ``docs/rfc/NN.toml`` holds ``title``, ``kind`` (one of `KINDS`), ``kept_by`` (dotted modules),
``note``, ``vectors`` (how many examples, valid and invalid, the text and its data files give), the tables
``clauses`` and ``services`` (id = what the text asks, in our words: of what is written and read, and of what
a running program does), tables ``differs`` (``clause``, ``text``, ``rosin``) and, for a text that others have
replaced, tables ``provided`` (``asked``, ``by``).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "rfc"
NUMBERS = range(1, 51)
#: ``unused`` is a number without a text.
KINDS = ("format", "protocol", "convention", "unused")

NOTE = "<!-- Written by `make docs` from docs/rfc/ and a run of the tests; do not edit. -->"

_INTRODUCTION = """\
# The RFCs

What Rosin makes of each of the [Flux RFCs](https://flux-framework.readthedocs.io/projects/flux-rfc/), and how
much of it the tests prove. A *vector* is an example that a text gives, valid or invalid; a *clause* is a
statement that a program can keep or break. Both count when a test that names them passes
([how](../../tests/rfc_table.py)); what a text says of a service, when that test talks to one. The numbers,
clauses and differences come from [docs/rfc](../rfc).
"""


class Rfc:
    """What ``docs/rfc/NN.toml`` says."""

    def __init__(self, number: int, fields: dict[str, Any]) -> None:
        self.number = number
        self.title: str = fields["title"]
        self.kind: str = fields["kind"]
        self.kept_by: list[str] = fields["kept_by"]
        self.note: str = fields.get("note", "")
        self.vectors: int = fields.get("vectors", 0)
        #: Of them, those about a service count only when a test goes through the wire.
        self.services: dict[str, str] = fields.get("services", {})
        self.clauses: dict[str, str] = {**fields.get("clauses", {}), **self.services}
        if twice := self.services.keys() & fields.get("clauses", {}).keys():
            raise ValueError(f"docs/rfc/{number:02d}.toml: {min(twice)!r} is in clauses and in services")
        self.differs: list[dict[str, str]] = fields.get("differs", [])
        self.provided: list[dict[str, str]] = fields.get("provided", [])


class Covered:
    """What passing tests prove: of each RFC its vectors, counted, and its clauses."""

    def __init__(self) -> None:
        self.vectors: dict[int, int] = dict.fromkeys(NUMBERS, 0)
        self.clauses: dict[int, set[str]] = {number: set() for number in NUMBERS}


def path(number: int) -> Path:
    """Where an RFC's description is."""
    return FOLDER / f"{number:02d}.toml"


def load(number: int) -> Rfc:
    """Read the description of an RFC. `ValueError` names the file and what is wrong in it."""
    try:
        return Rfc(number, tomllib.loads(path(number).read_text(encoding="utf-8")))
    except KeyError as exc:
        raise ValueError(f"docs/rfc/{number:02d}.toml: {exc.args[0]!r} is missing") from None
    except FileNotFoundError:
        raise ValueError(f"docs/rfc/{number:02d}.toml is missing") from None
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"docs/rfc/{number:02d}.toml: {exc}") from None


def page(rfcs: dict[int, Rfc], covered: Covered) -> str:
    """The page's Markdown. It depends on nothing but its arguments."""
    lines = [NOTE, "", _INTRODUCTION]
    lines += ["| RFC | title | kind | kept by | vectors | clauses |", "|---:|---|---|---|---:|---:|"]
    lines += [_row(number, rfcs.get(number), covered) for number in NUMBERS]
    for number in NUMBERS:
        if number in rfcs:
            lines += ["", *_section(rfcs[number], covered)]
    return "\n".join(lines) + "\n"


def _row(number: int, rfc: Rfc | None, covered: Covered) -> str:
    if rfc is None:
        return f"| {number} | | | | | |"
    vectors = _share(covered.vectors[number], rfc.vectors)
    clauses = _share(len(covered.clauses[number] & rfc.clauses.keys()), len(rfc.clauses))
    kept = ", ".join(f"`{name}`" for name in rfc.kept_by)
    return f"| [{number}](#rfc-{number}) | {rfc.title} | {rfc.kind} | {kept} | {vectors} | {clauses} |"


def _share(covered: int, total: int) -> str:
    return f"{covered}/{total}" if total or covered else "–"


def _section(rfc: Rfc, covered: Covered) -> list[str]:
    lines = [f'<a id="rfc-{rfc.number}"></a>', "", f"## RFC {rfc.number}: {rfc.title}", ""]
    if rfc.note:
        lines += [_line(rfc.note), ""]
    if rfc.kept_by:
        lines += ["Kept by " + ", ".join(_link(name) for name in rfc.kept_by) + ".", ""]
    if rfc.provided:
        lines += ["| asked for | provided by |", "|---|---|"]
        lines += [f"| {_line(entry['asked'])} | {_line(entry['by'])} |" for entry in rfc.provided] + [""]
    lines += _missing(rfc, covered)
    if rfc.differs:
        lines += ["Where Rosin does not follow the text:", ""]
        lines += [_difference(entry) for entry in rfc.differs] + [""]
    return lines[:-1]


def _missing(rfc: Rfc, covered: Covered) -> list[str]:
    """The clauses without a test."""
    if not rfc.clauses:
        return []
    missing = {key: text for key, text in rfc.clauses.items() if key not in covered.clauses[rfc.number]}
    if not missing:
        return [f"Tests prove all {len(rfc.clauses)} clauses.", ""]
    explained = {entry.get("clause") for entry in rfc.differs}
    lines = [f"No test proves {len(missing)} of {len(rfc.clauses)} clauses:", ""]
    for key, text in missing.items():
        lines.append(f"- `{key}`: {_line(text)}" + (" (see below)" if key in explained else ""))
    return [*lines, ""]


def _difference(entry: dict[str, str]) -> str:
    clause = f"`{entry['clause']}`: " if "clause" in entry else ""
    return f"- {clause}{_line(entry['text'])} **Rosin**: {_line(entry['rosin'])}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _link(module: str) -> str:
    """A link to a module's source; files of the project stand for themselves."""
    if "/" in module or not module.startswith("rosin"):
        return f"[`{module}`](../../{module})"
    place = Path("src", *module.split("."))
    target = place if (ROOT / place).is_dir() else place.with_suffix(".py")
    return f"[`{module}`](../../{target.as_posix()})"
