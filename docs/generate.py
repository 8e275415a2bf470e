# SPDX-License-Identifier: LGPL-3.0-or-later
"""Writes the generated pages of the documentation: ``python docs/generate.py [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rosin.cli import reference
from rosin.cli.reference import NOTE
from rosin.rfc import exec_eventlog
from rosin.rfc.payload import type_name
from rosin.rfc.state_table import EVENT_ROWS, RESULT_ROWS, STATE_ROWS
from rosin.rfc.states import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosin.rfc.states import ContextTable

_REFERENCE = Path(__file__).parent / "reference"

_NOTE = "<!-- Written by docs/generate.py from rosin.rfc.state_table; do not edit. -->"
_STATES = """\
A job is in one of seven states. Events in its eventlog (`rosin job eventlog ID`) move it from one to the
next, as RFC 21 says. The last three names stand for several states."""
_RESULTS = "What became of an inactive job. `rosin jobs` shows it in place of the state."
_EVENTS = """\
Contexts may hold more keys than these. A key with `?` may be missing. Other events may be there, too; names
that begin with `debug.` are free."""
_EXEC_EVENTS = """\
The log of a job in execution (`rosin job eventlog -p exec ID`), RFC 50. It moves no job. Names that begin
with `shell.` are those of the job shell."""


def pages() -> dict[str, str]:
    """Every generated page by its name: the commands, and the states and events of jobs."""
    return {**reference.pages(), "job-states.md": job_states()}


def job_states() -> str:
    """The page of job states, results and events, from the tables of rosin.rfc."""
    states = [("state", "short", "bit", "a job")]
    states += [(f"`{name}`", letter, str(bit), text) for bit, name, letter, _, text in STATE_ROWS]
    results = [("result", "short", "bit", "when")]
    results += [(f"`{name}`", letter, str(bit), text) for bit, name, letter, _, _, text in RESULT_ROWS]
    events = [("event", "context", "moves", "meaning")]
    for name, required, optional, moves, text in EVENT_ROWS:
        steps = [f"{STATES[old][0]} → {STATES[new][0]}" for old, new in moves.items()]
        events.append((f"`{name}`", _keys(required, optional), "<br>".join(steps), text))
    parts = [
        NOTE,
        "# Job states and events",
        _STATES,
        _table(states),
        "## Results",
        _RESULTS,
        _table(results),
    ]
    parts += ["## Events", _EVENTS, _table(events)]
    parts += ["## Events of execution", _EXEC_EVENTS, _table(_contexts(exec_eventlog.EVENTS))]
    return "\n\n".join(parts) + "\n"


def _contexts(events: ContextTable) -> list[tuple[str, ...]]:
    return [("event", "context"), *((f"`{name}`", _keys(*keys)) for name, keys in events.items())]


def _keys(required: dict[str, tuple[type, ...]], optional: dict[str, tuple[type, ...]]) -> str:
    keys = [(key, types, "") for key, types in required.items()]
    keys += [(key, types, "?") for key, types in optional.items()]
    return "<br>".join(f"`{key}`{mark} {' or '.join(map(type_name, types))}" for key, types, mark in keys)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def stale() -> list[Path]:
    """Pages whose text is not what the parsers say, and pages of commands that are gone."""
    current = pages()
    wrong = [
        _REFERENCE / name
        for name, text in current.items()
        if not (_REFERENCE / name).is_file() or (_REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    # Pages written by hand live here too; only generated ones can be left over.
    wrong.extend(
        path
        for path in sorted(_REFERENCE.glob("*.md"))
        if path.name not in current and path.read_text(encoding="utf-8").startswith(NOTE)
    )
    return wrong


def main() -> int:
    """Write the pages, or with ``--check`` name those that are not current."""
    wrong = stale()
    if "--check" in sys.argv[1:]:
        for path in wrong:
            print(f"{path}: not current; run python docs/generate.py")
        return 1 if wrong else 0
    current = pages()
    _REFERENCE.mkdir(exist_ok=True)
    for path in wrong:
        if path.name in current:
            path.write_text(current[path.name], encoding="utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
