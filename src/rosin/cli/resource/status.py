# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin resource status``: resources by their administrative state."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect
from rosin.cli.colour import use_color
from rosin.cli.resource.options import add_format, add_selection, named_formats, narrow, state_list

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rosin.cli.format import OutputFormat
    from rosin.cli.subcommands import AdminParser
    from rosin.resource import ResourceStatus
    from rosin.rfc.idset.mutable import IDset

_GOOD = ("avail", "exclude", "allocated", "torpid", "housekeeping")
_DRAIN = ("draining", "drained")
STATES = ("all", "online", "avail", "offline", "exclude", "drain", *_DRAIN, "torpid", *_GOOD[2::2])
_DEFAULT = ("avail", "exclude", "draining", "drained", "torpid", "housekeeping")
_HEADINGS = {
    "state": "STATE",
    "statex": "STATE",
    "nnodes": "NNODES",
    "ranks": "RANKS",
    "nodelist": "NODELIST",
    "reason": "REASON",
    "timestamp": "TIME",
    "status": "STATUS",
    "up": "UP",
    "up.ascii": "UP",
    "color_up": "",
    "color_off": "",
}


def add_commands(parser: AdminParser) -> None:
    """Add the subcommand to the parser of ``resource``."""
    sub = parser.command("status", status, "list resources by their administrative state")
    add_format(sub)
    text = f"only resources in these states: {', '.join(STATES)}"
    sub.add_argument("-s", "--states", metavar="STATE,...", help=text)
    add_selection(sub)
    sub.color()
    sub.flag("--skip-empty", text="print no lines without resources also with --states")
    from rosin.cli.arguments import SUPPRESS

    sub.add_argument("--from-stdin", action="store_true", help=SUPPRESS)
    sub.add_argument("--config-file", help=SUPPRESS)


class Glyph(str):
    """A character with a plain one in its place: ``{up.ascii}``."""

    __slots__ = ("ascii",)
    ascii: str

    def __new__(cls, text: str, plain: str) -> Glyph:
        new = super().__new__(cls, text)
        new.ascii = plain
        return new


_UP, _DOWN = Glyph("✔", "y"), Glyph("✗", "n")


class StateLine:
    """Ranks in one state, online or not; drained ones with time and reason."""

    def __init__(
        self,
        state: str,
        online: bool,
        ids: IDset,
        hosts: dict[int, str],
        reason: str = "",
        timestamp: Any = "",
    ) -> None:
        self.statex = state
        self.online = online
        self.ids = ids
        self.reason = reason
        self.timestamp = timestamp
        self._hosts = hosts

    @property
    def state(self) -> str:
        """The state, with a star for ranks that are offline."""
        return self.statex if self.online else f"{self.statex}*"

    @property
    def status(self) -> str:
        """``online`` or ``offline``."""
        return "online" if self.online else "offline"

    @property
    def up(self) -> Glyph:
        """The same as a mark."""
        return _UP if self.online else _DOWN

    @property
    def color_up(self) -> str:
        """Begins the color of the mark."""
        return "\x1b[01;32m" if self.online else "\x1b[01;31m"

    @property
    def color_off(self) -> str:
        """Ends a color."""
        return "\x1b[0;0m"

    @property
    def ranks(self) -> str:
        """The ranks as an idset."""
        return self.ids.encode()

    @property
    def nodelist(self) -> str:
        """Their hosts; a broker that R does not know can be drained, too, and has none here."""
        from rosin.rfc.hostlist import Hostlist

        return Hostlist.from_names(filter(None, map(self._hosts.get, self.ids))).encode()

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self.ids)


def status(args: argparse.Namespace) -> None:
    """Print the state of the resources."""
    if args.states == "help":
        sys.stderr.write(f"{args.prog}: INFO: valid states: {','.join(STATES)}\n")
        return
    states = chosen_states(args.states)
    show(args, "status", states, args.skip_empty or not args.states)


def chosen_states(text: str | None) -> set[str]:
    """The states that ``--states`` asks for. Raises ValueError that lists the valid ones."""
    try:
        states = set(state_list(text, STATES)) if text else set(_DEFAULT)
    except ValueError as exc:
        raise ValueError(f"{exc}, valid states: {','.join(STATES)}") from None
    if states <= {"online", "offline"}:
        states.update(_DEFAULT)
    if "drain" in states:
        states.update(_DRAIN)
    if "all" in states:
        states.update((*_GOOD, *_DRAIN))
    return states


def show(args: argparse.Namespace, table: str, states: set[str], skip_empty: bool) -> None:
    """Print the lines of these states in a format of the subcommand ``table``."""
    from rosin.cli.format import OutputFormat

    formatter = OutputFormat(named_formats(table).get(args.format), _HEADINGS)
    if not use_color(args.color):
        formatter = formatter.copy(except_fields=["color_up", "color_off"])
    rstatus = _load(args)
    # A drained rank is not torpid as well, if both are shown.
    rstatus.torpid -= rstatus.get_idset(*(state for state in _DRAIN if state in states))
    kept = [
        line
        for line in combine(lines(rstatus, states), formatter)
        if line.ids or not (skip_empty or (not line.online and "offline" not in states))
    ]
    formatter.print_items(kept, no_header=args.no_header)


def _load(args: argparse.Namespace) -> ResourceStatus:
    from rosin.resource.status import ResourceStatus, resource_status

    config: dict[str, Any] = {}
    if getattr(args, "from_stdin", False):
        text = sys.stdin.read()
        rstatus = ResourceStatus(json.loads(text) if text else None)
        if args.config_file:
            with open(args.config_file, encoding="utf-8") as stream:
                config = json.load(stream)
    else:
        with connect() as h:
            rpc = resource_status(h)
            config = h.rpc("config.get").get() if args.queue else {}
            rstatus = rpc.get()
    narrow(rstatus, rstatus.rset, config, args)
    return rstatus


def lines(rstatus: ResourceStatus, states: set[str]) -> Iterator[StateLine]:
    """A line for each state, online and offline, and for each drained rank."""
    # Asking for one of the two excludes the other.
    shown = [online for online, other in ((True, "offline"), (False, "online")) if other not in states] or [
        True,
        False,
    ]
    hosts = dict(zip(rstatus.rset.ranks, rstatus.nodelist.expand(), strict=False))
    for state in _GOOD:
        for online in shown if state in states else ():
            yield StateLine(state, online, rstatus[state] & rstatus["online" if online else "offline"], hosts)
    for state in _DRAIN:
        if state not in states:
            continue
        if not rstatus[state] and True in shown:
            yield StateLine(state, True, rstatus[state], hosts)
        for info in sorted(rstatus.drain_info, key=lambda info: info.ranks.first()):
            for online in shown:
                ranks = info.ranks & rstatus[state]
                ranks = ranks & rstatus.online if online else ranks - rstatus.online
                if ranks:
                    yield StateLine(state, online, ranks, hosts, info.reason, info.timestamp)


def combine(items: Iterator[StateLine], formatter: OutputFormat) -> list[StateLine]:
    """Join lines that agree in all shown fields but the ranks and hosts."""
    from rosin.cli.format import OutputFormat

    keys = [field for field in formatter.fields if field not in ("nodelist", "ranks", "nnodes", "up.ascii")]
    if "up.ascii" in formatter.fields:
        keys.append("online")
    # Times that differ may be shown alike, such as by day.
    days = [
        OutputFormat(f"{{{field}!{how}:{spec}}}", _HEADINGS) for _, field, spec, how in formatter.parts if how
    ]
    keys = [key for key in keys if all(key not in day.fields for day in days)]
    found: dict[tuple[Any, ...], StateLine] = {}
    for line in items:
        shown = (*(getattr(line, key) for key in keys), *(day.format(line) for day in days))
        same = found.setdefault(shown, line)
        if same is not line:
            same.ids = same.ids | line.ids
    return list(found.values())
