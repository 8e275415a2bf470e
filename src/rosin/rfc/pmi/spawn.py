# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13, "Spawn Operation": the one PMI request that takes several lines."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe
from rosin.rfc.pmi import wire

#: Most arguments, pairs or processes that a request may announce.
MAX_COUNT = 1 << 20


class Spawn:
    """A request to start ``nprocs`` processes of the program ``execname``.

    ``args`` are the arguments after the name, ``preput`` the pairs to put into the new program's key-value
    space before it starts, ``info`` hints as pairs. One call of the API may start ``totspawns`` programs with
    a request each; ``spawnssofar`` counts them from 1.
    """

    __slots__ = ("args", "execname", "info", "nprocs", "preput", "spawnssofar", "totspawns")

    def __init__(
        self,
        execname: str,
        args: list[str] | None = None,
        nprocs: int = 1,
        preput: list[tuple[str, str]] | None = None,
        info: list[tuple[str, str]] | None = None,
        totspawns: int = 1,
        spawnssofar: int = 1,
    ) -> None:
        self.execname = execname
        self.args: list[str] = [] if args is None else args
        self.nprocs = nprocs
        self.preput: list[tuple[str, str]] = [] if preput is None else preput
        self.info: list[tuple[str, str]] = [] if info is None else info
        self.totspawns = totspawns
        self.spawnssofar = spawnssofar

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spawn):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Spawn.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Spawn({self.execname!r}, {self.args!r}, nprocs={self.nprocs})"


def encode(spawn: Spawn) -> str:
    """Write the request, from ``mcmd=spawn`` to ``endcmd``. FormatError: text that no line can hold."""
    lines = [
        "mcmd=spawn",
        f"nprocs={spawn.nprocs}",
        f"execname={spawn.execname}",
        f"totspawns={spawn.totspawns}",
        f"spawnssofar={spawn.spawnssofar}",
    ]
    lines += [f"arg{index}={arg}" for index, arg in enumerate(spawn.args)]
    lines.append(f"argcnt={len(spawn.args)}")
    for kind, pairs in (("preput", spawn.preput), ("info", spawn.info)):
        lines.append(f"{kind}_num={len(pairs)}")
        for index, (key, value) in enumerate(pairs):
            lines += [f"{kind}_key_{index}={key}", f"{kind}_val_{index}={value}"]
    lines.append("endcmd")
    for line in lines:
        if not wire.is_string(line) or len(line) >= wire.MAX_LINE:
            raise FormatError(f"pmi: spawn: {describe(line)} cannot be sent")
    return "\n".join(lines) + "\n"


def decode(lines: list[str]) -> Spawn:
    """Read a request of whole lines, with or without newlines. FormatError names the line.

    The lines between ``mcmd=spawn`` and ``endcmd`` may be in any order and others among them are ignored, as
    the RFC recommends for tuples; but indices must count from 0 without a gap.
    """
    if len(lines) < 2 or lines[0].strip() != "mcmd=spawn" or lines[-1].strip() != "endcmd":
        raise FormatError("pmi: spawn: expected the lines from mcmd=spawn to endcmd")
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[1:-1], 2):
        text = line[:-1] if line.endswith("\n") else line
        name, equals, value = text.partition("=")
        if not equals or not wire.is_word(name):
            raise FormatError(f"pmi: spawn: line {number}: expected key=value, got {describe(text)}")
        if name in fields:
            raise FormatError(f"pmi: spawn: line {number}: {describe(name)} occurs twice")
        fields[name] = value
    return Spawn(
        _text(fields, "execname"),
        [_text(fields, f"arg{index}") for index in range(_count(fields, "argcnt"))],
        _count(fields, "nprocs"),
        _pairs(fields, "preput"),
        _pairs(fields, "info"),
        _count(fields, "totspawns", 1),
        _count(fields, "spawnssofar", 1),
    )


def _text(fields: dict[str, str], key: str) -> str:
    if key not in fields:
        raise FormatError(f"pmi: spawn: {key} is missing")
    return fields[key]


def _count(fields: dict[str, str], key: str, default: int | None = None) -> int:
    number = wire.integer(fields, key, default)
    if not 0 <= number <= MAX_COUNT:
        raise FormatError(f"pmi: spawn: {key}: expected 0 to {MAX_COUNT}, got {number}")
    return number


def _pairs(fields: dict[str, str], kind: str) -> list[tuple[str, str]]:
    return [
        (_text(fields, f"{kind}_key_{index}"), _text(fields, f"{kind}_val_{index}"))
        for index in range(_count(fields, f"{kind}_num"))
    ]
