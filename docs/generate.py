# SPDX-License-Identifier: LGPL-3.0-or-later
"""Writes the generated pages of the documentation: ``python docs/generate.py [--check]``."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from rosin.broker import attrtable, configtable, loader
from rosin.cli import reference
from rosin.cli.reference import NOTE
from rosin.rfc import exec_eventlog
from rosin.rfc.payload import type_name
from rosin.rfc.states import STATES
from rosin.rfc.states.table import EVENT_ROWS, RESULT_ROWS, STATE_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rosin.rfc.states import ContextTable

_REFERENCE = Path(__file__).parent / "reference"

_FLAGS = (
    (attrtable.READONLY, "read-only"),
    (attrtable.IMMUTABLE, "fixed"),
    (attrtable.RUNTIME, "changeable"),
    (attrtable.CONFIG, "configuration"),
)
_TYPES = {str: "string", dict: "table", list: "array", bool: "boolean", int: "integer", float: "number"}
_ATTRIBUTES = """\
Settings and facts of one broker. `rosin start -S NAME=VALUE` sets one, `rosin lsattr -v` lists them,
`rosin setattr` changes one while the instance runs. Other names, and values that an attribute cannot
have, are errors.

*read-only*: it cannot be set at the start. *fixed*: it never changes once the broker runs. *changeable*:
`setattr` changes it; the others only with `--force`, which the broker may not notice. *configuration*:
the key of the same name gives the value when the attribute is not set."""
_CONFIGURATION = """\
Tables and keys of the configuration; [how to use it](../how-to/configuration.md). `*` is any name, `[]`
an array of tables. Durations are strings such as `"30s"`, `"5m"`, `"1h"` (RFC 23). An unknown key and a
value of a wrong type are errors; a table of another name gets a warning, those of other programs
(`sched-...`, `accounting`, `rabbit`) excepted."""

_NOTE = "<!-- Written by docs/generate.py from rosin.rfc.states.table; do not edit. -->"
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


_ACCESS = """\
What each path of [the REST API](rest.md) needs: a scope of the credentials, of a guest that the job is its
own, and whether it is for strangers, too. The owner's own connection, name and token, and sessions have all
scopes. What is not listed is for the owner, and to change it takes the scope `admin`. The WebSocket of events
needs what its GET does, and that of a job's terminal what its input does."""
#: Where guests may ask, and the route looks what is theirs.
_OWN_OF_ALL = {
    "POST /rosin/v1/jobs": "jobs that they have signed",
    "POST /rosin/v1/jobs/bulk": "jobs that they have signed",
    "POST /rosin/v1/jobs/actions": "own jobs, no update",
    "GET /rosin/v1/events": "yes; output of own jobs",
    "GET /rosin/v1/tokens": "own tokens",
    "POST /rosin/v1/tokens": "own tokens",
    "DELETE /rosin/v1/tokens/{ident}": "own tokens",
}

_ARGUMENTS = """\
What `rosin module load NAME ARG...` and `rosin module reload NAME ARG...` take; flux-core's names. Anything
else is refused before the module starts. Modules that are not here take no arguments."""


def pages() -> dict[str, str]:
    """Every generated page by its name: commands, jobs, attributes, configuration, Python."""
    return {
        **reference.pages(),
        "job-states.md": job_states(),
        "attributes.md": attributes(),
        "configuration.md": configuration(),
        "module-arguments.md": module_arguments(),
        "python-api.md": _python_api(),
        "rest-access.md": rest_access(),
    }


def rest_access() -> str:
    """Who may do what, by each path of the REST API."""
    from rosin.rest.app import create_app
    from rosin.rest.auth.rules import Guests, rule
    from rosin.rest.gate import OPEN, SIGN_IN

    words = {Guests.ALL: "yes", Guests.OWN: "own jobs", Guests.NONE: "no"}
    paths = create_app().openapi()["paths"]
    rows = [("method and path", "scope", "guests", "without credentials")]
    for path in sorted(paths):
        for method in paths[path]:
            needed = rule(method.upper(), path)
            name = f"{method.upper()} {path}"
            scope = needed.scope or "any"
            whose = _OWN_OF_ALL.get(name, words[needed.guests])
            rows.append(
                (f"`{name}`", scope, whose, "yes" if path in OPEN or name == f"POST {SIGN_IN}" else "no")
            )
    return f"{NOTE}\n\n# Who may do what by HTTP\n\n{_ACCESS}\n\n{_table(rows)}\n"


def attributes() -> str:
    """The page of broker attributes, from the broker's table."""
    rows = [("attribute", "default", "", "meaning")]
    for row in attrtable.TABLE:
        marks = [word for flag, word in _FLAGS if row.flags & flag]
        why = attrtable.IDLE.get(row.name)
        text = f"{row.text} (No effect here: {why}.)" if why else row.text
        rows.append((f"`{row.name}`", f"`{row.default}`" if row.default else "", ", ".join(marks), text))
    return "\n\n".join([NOTE, "# Broker attributes", _ATTRIBUTES, _table(rows)]) + "\n"


def configuration() -> str:
    """The page of configuration keys, from the broker's table."""
    parts = [NOTE, "# Configuration keys", _CONFIGURATION]
    tables: dict[str, list[tuple[str, ...]]] = {}
    for key in configtable.TABLE:
        types = " or ".join(dict.fromkeys(_TYPES.get(kind, type_name(kind)) for kind in key.types))
        text = f"{key.text} (no effect here: {key.idle})" if key.idle else key.text
        table, _, name = key.name.partition(".")
        row = (f"`{name or '*'}`", types, text.replace("|", "\\|"))
        tables.setdefault(table, [("key", "type", "meaning")]).append(row)
    for table, rows in tables.items():
        parts += [f"## `[{table}]`", _table(rows)]
    return "\n\n".join(parts) + "\n"


def module_arguments() -> str:
    """The page of the arguments of modules, from their declarations."""
    parts = [NOTE, "# Arguments of modules", _ARGUMENTS]
    for name in sorted(loader.MODULES):
        rows = [("argument", "meaning")]
        for argument in loader.find(name).arguments or ():
            text = f"(no effect here: {argument.idle})" if argument.idle else argument.text
            rows.append((f"`{argument.usage}`".replace("|", "\\|"), text.replace("|", "\\|")))
        if len(rows) > 1:
            parts += [f"## {name}", _table(rows)]
    return "\n\n".join(parts) + "\n"


def _python_api() -> str:
    """The page of the Python API; its module stands beside this one."""
    spec = spec_from_file_location("python_api", Path(__file__).with_name("python_api.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.python_api())


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
