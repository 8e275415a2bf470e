# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin config``: read and change the configuration of a broker."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.base import connect, warning
from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_TYPES = ("any", "string", "integer", "real", "boolean", "object", "array", "fsd", "fsd-integer", "fsd-real")
_MISSING = object()


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Read and change the configuration of a broker.")
    sub = result.command("load", _load, "replace the configuration")
    sub.add_argument(
        "path", metavar="PATH", nargs="?", help="TOML or JSON; file or directory (default: stdin)"
    )
    sub = result.command("reload", _reload, "read the configuration files again")
    sub.flag("--follower-noop", text="do nothing on other brokers than the first")
    sub = result.command("get", _get, "print the configuration, or a value")
    sub.add_argument(
        "-c",
        "--config-path",
        metavar="PATH",
        help="read this file or directory instead, or that of 'system', 'security' or 'imp'",
    )
    sub.add_argument(
        "-t", "--type", metavar="TYPE", default="any", help="expected type: " + ", ".join(_TYPES)
    )
    sub.flag("-q", "--quiet", text="do not complain about a key that is not set")
    sub.add_argument("-d", "--default", metavar="VAL", help="print this for a key that is not set")
    sub.add_argument("key", metavar="NAME", nargs="?", help="dotted name (default: everything)")
    sub = result.command("set", _set, "set a value")
    sub.add_argument(
        "-t", "--type", metavar="TYPE", help="type of VALUE, when the key is new: " + ", ".join(_TYPES[1:8])
    )
    sub.add_argument("key", metavar="NAME", help="dotted name")
    sub.add_argument("value", metavar="VALUE", help="the value")
    sub = result.command("unset", _unset, "remove a value")
    sub.add_argument("key", metavar="NAME", help="dotted name")
    sub = result.command("builtin", _builtin, "print a path of this installation")
    sub.flag("--intree", text="accepted for compatibility")
    sub.flag("--installed", text="accepted for compatibility")
    sub.add_argument("key", metavar="NAME", help="name of the path")
    return result


def _parse(text: str) -> dict[str, Any]:
    """A configuration in JSON or TOML. Raises ValueError."""
    import json

    try:
        config = json.loads(text)
    except ValueError as exc:
        if text.lstrip().startswith("{"):
            raise ValueError(f"JSON parse error: {exc}") from None
    else:
        if isinstance(config, dict):
            return config
        if isinstance(config, list):
            raise ValueError("Invalid argument: the configuration is not an object, as in {}")
    from rosin.configfile import parse

    try:
        return parse(text)
    except ValueError as exc:
        raise ValueError(f"TOML parse error: {exc}") from None


def _tell(args: argparse.Namespace, answer: dict[str, Any] | None) -> None:
    """Print what the broker says about keys without effect; flux-core's says nothing."""
    for line in (answer or {}).get("warnings", ()):
        warning(args.prog, line)


def _load(args: argparse.Namespace) -> None:
    if args.path is None:
        config = _parse(sys.stdin.read())
    else:
        from rosin.configfile import load

        config = load(args.path)
    with connect() as h:
        _tell(args, h.rpc("config.load", config).get())


def _reload(args: argparse.Namespace) -> None:
    with connect() as h:
        if args.follower_noop and h.rank != 0:
            return
        _tell(args, h.rpc("config.reload").get())


def lookup(config: dict[str, Any], key: str) -> Any:
    """The value of a dotted key, or a marker if it is not set."""
    value: Any = config
    for name in key.split("."):
        if not isinstance(value, dict) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _name(key: str) -> str:
    """A name whose parts have names. Raises ValueError."""
    if "" in key.split("."):
        raise ValueError(f"{key}: Invalid argument: it takes a period-delimited name, as in tbon.torpid_max")
    return key


def _kind(name: str) -> str:
    """A type by its name, in any case. Raises ValueError."""
    if name.lower() not in _TYPES:
        raise ValueError(f"Unknown type: {name}: it takes one of {', '.join(_TYPES)}")
    return name.lower()


def format_value(key: str, value: Any, kind: str) -> str:
    """The text of a value of the type asked for. Raises ValueError if it has another one."""
    from rosin import _json

    if kind.startswith("fsd"):
        return _format_duration(key, value, kind)
    if kind != "any" and not _has_type(value, kind):
        raise ValueError(f"{key} does not have the requested type")
    if isinstance(value, str):
        return value
    return _json.dumps(value).decode()


def _format_duration(key: str, value: Any, kind: str) -> str:
    from rosin.rfc.fsd import parse

    try:
        seconds = parse(value) if isinstance(value, str) else math.nan
    except ValueError as exc:
        raise ValueError(f"{key} does not have the requested type: {exc}") from None
    if math.isnan(seconds) or (kind == "fsd-integer" and math.isinf(seconds)):
        raise ValueError(f"{key} does not have the requested type")
    return value if kind == "fsd" else str(int(seconds)) if kind == "fsd-integer" else f"{seconds:.6f}"


def _has_type(value: Any, kind: str) -> bool:
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    types = {"string": str, "integer": int, "real": float, "object": dict, "array": list, "fsd": str}
    return isinstance(value, types[kind])


def _config(args: argparse.Namespace) -> dict[str, Any]:
    if args.config_path:
        from rosin.configfile import load
        from rosin.handle.builtin import CONFDIR

        path = args.config_path
        return load(f"{CONFDIR}/{path}/conf.d" if path in ("system", "security", "imp") else path)
    with connect() as h:
        config: dict[str, Any] = h.rpc("config.get").get()
    return config


def _get(args: argparse.Namespace) -> int:
    kind = _kind(args.type)
    config = _config(args)
    value = config if args.key is None else lookup(config, _name(args.key))
    if value is not _MISSING:
        print(format_value("value" if args.key is None else args.key, value, kind))
        return 0
    if args.default is not None:
        print(args.default)
        return 0
    if not args.quiet:
        raise ValueError(f"{args.key} is not set")
    return 1


def convert(text: str, kind: str) -> Any:
    """A value of a type from its text. Raises ValueError."""
    kind = _kind(kind)
    if kind not in _SETTABLE:
        raise ValueError(f"Invalid type for the set subcommand: {kind}: it takes {', '.join(_SETTABLE)}")
    reader, what = _SETTABLE[kind]
    try:
        return reader(text)
    except ValueError as exc:
        raise ValueError(f"Error parsing {what}: {exc}") from None


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError(f"'{text}' is neither true nor false")
    return values[text.lower()]


def _integer(text: str) -> int:
    """As strtol(3) reads it: decimal, 0x10 or 010."""
    import re

    octal = re.fullmatch(r"([+-]?)0([0-7]+)", text)
    try:
        value = int("".join(octal.groups()), 8) if octal else int(text, 0)
    except ValueError:
        raise ValueError(f"'{text}' is not a whole number, as in 10") from None
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{text} does not fit into 64 bits")
    return value


def _real(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"'{text}' is not a number, as in 1.5")
    return value


def _string(text: str) -> str:
    return _quoted(text) if text[:1] == '"' else text


def _duration(text: str) -> str:
    from rosin.rfc.fsd import parse

    parse(text)
    return text


def _object(text: str) -> Any:
    return _json_of(text, dict, 'JSON object, as in {"a":1}')


def _array(text: str) -> Any:
    return _json_of(text, list, "JSON array, as in [1,2]")


def _json_of(text: str, kind: type, form: str) -> Any:
    from rosin import _json

    try:
        value = _json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise ValueError(f"'{text}' is not a {form}")
    return value


def _quoted(text: str) -> str:
    """A string that is written as JSON; others are taken as they are. Raises ValueError."""
    from rosin import _json

    try:
        value = _json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, str):
        raise ValueError(f"{text} begins with a quote but is no JSON string")
    return value


#: Type that can be set -> its reader, and what messages call it.
_SETTABLE: dict[str, tuple[Callable[[str], Any], str]] = {
    "string": (_string, "string"),
    "integer": (_integer, "integer value"),
    "real": (_real, "real value"),
    "boolean": (_boolean, "boolean value"),
    "object": (_object, "json object"),
    "array": (_array, "json array"),
    "fsd": (_duration, "Flux Standard Duration"),
}


def _type_of(value: Any) -> str | None:
    """The type of a value that is set already."""
    names = {bool: "boolean", str: "string", int: "integer", float: "real", dict: "object", list: "array"}
    return names.get(type(value))


def _set(args: argparse.Namespace) -> None:
    with connect() as h:
        config = h.rpc("config.get").get()
        old = lookup(config, _name(args.key))
        kind = args.type or _type_of(old)
        if kind is None:
            raise ValueError("Type is unknown, please specify --type")
        from rosin.rfc import treedict

        treedict.put(config, args.key, convert(args.value, kind))
        _tell(args, h.rpc("config.load", config).get())


def _unset(args: argparse.Namespace) -> None:
    with connect() as h:
        config = h.rpc("config.get").get()
        if lookup(config, _name(args.key)) is _MISSING:
            return
        *tables, name = args.key.split(".")
        table = config
        for part in tables:
            table = table[part]
        del table[name]
        _tell(args, h.rpc("config.load", config).get())


def _builtin(args: argparse.Namespace) -> None:
    from rosin.handle.builtin import paths

    known = paths()
    if args.key not in known:
        raise ValueError(f"{args.key} is invalid: expected one of {', '.join(known)}")
    print(known[args.key])


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
