# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is wrong with a configuration before any service has seen it, and what of it has no effect here.

Names and simple types are compared with :mod:`rosin.broker.configtable`. What flux-core knows and what would
do nothing here is refused when the instance would then do something else than its administrator asked for,
and otherwise named in a warning. A table that is nowhere known is named, too: it may belong to another
program; one whose name is nearly that of a known table is a mistake.
"""

from __future__ import annotations

from typing import Any

from rosin.broker import attrtable, rctable
from rosin.broker.configtable import CHECKED_ELSEWHERE, FOREIGN, SCHEDULER, TABLE, Key
from rosin.errors import FormatError, did_you_mean
from rosin.rfc.payload import describe, type_name
from rosin.rfc.queues import QueueConfig

#: How similar the name of an unknown table must be to that of a known one to be taken for it.
_SIMILAR = 0.75


class _Node:
    """A place in the tree of known keys; ``key``: its row, where it is the end of one."""

    __slots__ = ("array", "children", "key")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.array = False
        self.key: Key | None = None


def _tree() -> _Node:
    root = _Node()
    for row in TABLE:
        node = root
        for step in row.name.split("."):
            node = node.children.setdefault(step.removesuffix("[]"), _Node())
            node.array = step.endswith("[]")
        node.key = row
    return root


_ROOT = _tree()


def check(config: dict[str, Any]) -> dict[str, str]:
    """The keys of *config* that have no effect, by their dotted names, and why.

    Raises FormatError, one line that names the key and what to do, for unknown keys, values of a wrong type,
    and what must not go without effect.
    """
    _refuse(config)
    ignored: dict[str, str] = {}
    for name, value in config.items():
        node = _ROOT.children.get(name)
        if node is not None:
            if name not in CHECKED_ELSEWHERE:
                _check_node(node, value, name, ignored)
        elif not _is_foreign(name):
            _check_unknown(name)
            ignored[_shown(name)] = "no part of it reads this table"
    if "modules" in config:
        rctable.check(config)
    if _value(config, "policy.scheduler") is not None:
        ignored["policy.scheduler"] = next(key.idle for key in TABLE if key.name == "policy.scheduler")
    return ignored


def warnings(ignored: dict[str, str]) -> list[str]:
    """A line for each reason of :func:`check`, with all keys that it holds for."""
    lines = []
    for reason in dict.fromkeys(ignored.values()):
        names = [name for name, why in ignored.items() if why == reason]
        lines.append(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} no effect on this broker: {reason}"
        )
    return lines


def unknown_tables(config: dict[str, Any]) -> list[str]:
    """The tables that neither this broker nor a known program reads."""
    return [_shown(name) for name in config if name not in _ROOT.children and not _is_foreign(name)]


def _is_foreign(name: str) -> bool:
    return name in FOREIGN or name.startswith(SCHEDULER)


def _check_unknown(name: str) -> None:
    from difflib import get_close_matches

    similar = get_close_matches(name[:64], _ROOT.children, 1, _SIMILAR)
    if similar:
        raise FormatError(f"{_shown(name)}: unknown table; did you mean {similar[0]}?")


def _check_node(node: _Node, value: Any, path: str, ignored: dict[str, str]) -> None:
    """Compare a value with its place; as deep as the tree of known keys, whatever the value is."""
    if node.key is not None:
        if node.key.types and not _has_type(value, node.key.types):
            wanted = " or ".join(dict.fromkeys(map(type_name, node.key.types)))
            raise FormatError(f"{path}: expected {wanted}, got {describe(value)}")
        if node.key.check is not None:
            try:
                node.key.check(value)
            except ValueError as exc:
                raise FormatError(f"{path}: {exc}, got {describe(value)}") from None
        if node.key.idle:
            ignored[path] = node.key.idle
        return
    if node.array:
        if not isinstance(value, list):
            raise FormatError(f"{path}: expected an array of tables, got {describe(value)}")
        for number, entry in enumerate(value):
            _check_table(node, entry, f"{path}[{number}]", ignored)
    else:
        _check_table(node, value, path, ignored)


def _check_table(node: _Node, value: Any, path: str, ignored: dict[str, str]) -> None:
    if not isinstance(value, dict):
        raise FormatError(f"{path}: expected a table, got {describe(value)}")
    for name, entry in value.items():
        child = node.children.get(name, node.children.get("*"))
        if child is None:
            known = ", ".join(sorted(node.children))
            hint = did_you_mean(name, node.children) or f"; known: {known}"
            raise FormatError(f"{path}.{_shown(name)}: unknown key{hint}")
        _check_node(child, entry, f"{path}.{_shown(name)}", ignored)


def _shown(name: str) -> str:
    """A key in a message: one short line, whatever it is."""
    return name if name.isprintable() and len(name) <= 64 else describe(name)


def _has_type(value: Any, types: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, types)


def _value(config: dict[str, Any], path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _refuse(config: dict[str, Any]) -> None:
    for name in rctable.always():
        for key in ("disabled", "ranks"):
            if _value(config, f"modules.{name}.{key}") is not None:
                raise FormatError(f"modules.{name}.{key}: every broker needs this module; remove the key")
    if _value(config, "systemd.enable") is True:
        raise FormatError("systemd.enable: this broker does not use systemd; remove it or set it to false")
    if _value(config, "exec.service") == "sdexec":
        raise FormatError("exec.service: there is no sdexec service here; remove it, or use rexec")
    QueueConfig(config)
    if "bootstrap" in config:
        from rosin.broker.overlay.bootstrap.hosts import BootstrapSettings

        BootstrapSettings.parse(config)
    try:
        attrtable.defaults(config)
    except ValueError as exc:
        raise FormatError(str(exc)) from None
