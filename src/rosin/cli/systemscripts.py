# SPDX-License-Identifier: LGPL-3.0-or-later
"""The prolog, the epilog and the housekeeping of an instance: whether there are any, and what they run."""

from __future__ import annotations

import errno
import locale
import os
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect, utf8_output
from rosin.cli.colour import use_color

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.handle.flux import Flux

PROGRAMS = ("prolog", "epilog", "housekeeping")
_GREEN, _RED, _YELLOW, _DIM = 32, 31, 33, 2


class _Paint:
    """Colours, if they are wanted."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, colour: int, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._on else text


class Scripts:
    """The scripts of one program: a package's, and the site's, which are a directory or a single file."""

    def __init__(self, program: str, places: Mapping[str, str]) -> None:
        """``places``: ``libexecdir`` and ``confdir``; the environment's FLUX_SYSTEM_SCRIPTS_* go first."""
        found = {
            name: os.environ.get(f"FLUX_SYSTEM_SCRIPTS_{name.upper()}", place)
            for name, place in places.items()
        }
        self.system = os.path.join(found["libexecdir"], f"{program}.d")
        self.single = os.path.join(found["confdir"], "system", program)
        self.site = f"{self.single}.d"

    def any(self) -> bool:
        """Whether there is one."""
        return os.path.isfile(self.single) or bool(scripts_in(self.system) or scripts_in(self.site))


def scripts_in(directory: str) -> list[str]:
    """The files in a directory, in the order in which they are run; none if it cannot be read."""
    try:
        names = sorted(os.listdir(directory), key=locale.strxfrm)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return [name for name in names if os.path.isfile(os.path.join(directory, name))]


def runs_scripts(program: str, table: Mapping[str, Any]) -> bool:
    """Whether the command of a table, the IMP's or run-PROGRAM, runs the scripts of the directories."""
    command = table.get("command") or ["flux-imp", "run", program]
    if command[-1] == f"run-{program}" and os.path.basename(command[0]) in ("rosin", "flux"):
        return True
    return (
        len(command) >= 3
        and command[0].endswith("flux-imp")
        and command[1] == "run"
        and command[2] in (program, "")
    )


def describe(
    program: str,
    table: Mapping[str, Any],
    scripts: Scripts,
    *,
    active: bool = True,
    verbose: bool = False,
    paint: _Paint | None = None,
) -> list[str]:
    """The lines about one program. ``active``: the plugin that runs it is loaded."""
    colour = paint or _Paint(False)
    if not table:
        if not verbose or not scripts.any():
            state = colour(_YELLOW if verbose else _DIM, "not configured")
            return [f"▸ {program}: {state}", ""]
        return [
            f"▸ {program}: {colour(_YELLOW, 'not configured')}",
            *_places(scripts, colour, every=False),
            "",
        ]
    if not active:
        return [
            f"▸ {program}: {colour(_YELLOW, 'configured but inactive')}",
            colour(_YELLOW, "  (perilog plugin not loaded)"),
        ]
    lines = [f"▸ {program}: {colour(_GREEN, 'enabled')} ({_manner(program, table)})"]
    if runs_scripts(program, table):
        lines += _places(scripts, colour, every=True)
    else:
        lines.append(f"  command: {' '.join(table['command'])}")
    return [*lines, ""]


def _manner(program: str, table: Mapping[str, Any]) -> str:
    if program != "housekeeping":
        per_rank = table.get("per_rank", table.get("per-rank", False))  # as the plugin says it, or the table
        return f"per-rank={str(bool(per_rank)).lower()}"
    after = table.get("release-after")
    return f"release after {after}" if after else "batch release"


def _places(scripts: Scripts, colour: _Paint, *, every: bool) -> list[str]:
    """Where scripts are. ``every``: also the directories that hold none."""
    lines = []
    if every or scripts_in(scripts.system):
        lines += _directory("system", scripts.system, colour)
    if os.path.isfile(scripts.single):
        note = colour(_DIM, "(legacy, skips site scripts)")
        mark = colour(_GREEN, "✓") if _executable(scripts.single) else colour(_RED, "✗")
        lines += [f"  {colour(_DIM, 'site:')}", f"    {mark} {scripts.single} {note}"]
    elif every or scripts_in(scripts.site):
        lines += _directory("site", scripts.site, colour)
    return lines


def _directory(label: str, path: str, colour: _Paint) -> list[str]:
    lines = [f"  {colour(_DIM, f'{label}:')} {colour(_DIM, path)}"]
    for name in scripts_in(path):
        good = _executable(os.path.join(path, name))
        lines.append(f"    {colour(_GREEN, '✓') if good else colour(_RED, '✗ not executable')} {name}")
    return lines if len(lines) > 1 else [*lines, colour(_DIM, "    (no scripts)")]


def _executable(path: str) -> bool:
    return bool(os.stat(path).st_mode & 0o111)


def show(verbose: bool, color: str) -> None:
    """Print all of them. Raises OSError."""
    utf8_output()
    paint = _Paint(use_color(color))
    with connect() as h:
        jobs = h.rpc("config.get").get().get("job-manager", {})
        keys = ["libexecdir", "confdir"]
        places = h.rpc("broker.conf-builtin", {"keys": keys}).get()["values"]
        perilog = _perilog(h)
    for program in PROGRAMS:
        table, active = jobs.get(program) or {}, True
        if program != "housekeeping":
            active = perilog is not None
            table = (perilog or {}).get(program, table)
        for line in describe(
            program, table, Scripts(program, places), active=active, verbose=verbose, paint=paint
        ):
            print(line)


def _perilog(h: Flux) -> dict[str, Any] | None:
    """The configuration of the plugin that runs prolog and epilog; None if it is not loaded."""
    try:
        conf: dict[str, Any] = h.rpc("job-manager.jobtap-query", {"name": "perilog.so"}).get().get("conf", {})
    except OSError as exc:
        if exc.errno == errno.EPERM:
            return {}  # only the owner may ask: what is configured is taken for active
        if exc.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOSYS):
            raise
        return None
    return conf
