# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin module``: list, load and remove broker modules, and look into them."""

from __future__ import annotations

import errno
import os
import sys

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.handle.flux import Flux

_STATES = "IRFX"


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "List, load and remove broker modules, and look into them.")
    sub = result.command("list", _list, "list the loaded modules")
    sub.flag("-l", "--long", text="show where each module comes from")
    sub = result.command("load", _load, "load a module")
    _load_options(sub)
    sub = result.command("remove", _remove, "remove a module", aliases=["unload"])
    _remove_options(sub)
    sub.add_argument("module", metavar="MODULE", help="name of the module")
    sub = result.command("reload", _reload, "remove a module and load it again")
    _remove_options(sub)
    _load_options(sub)
    _stats_options(result.command("stats", _stats, "print the statistics of a module"))
    sub = result.command("debug", _debug, "print or change the debug flags of a module")
    sub.flag("-C", "--clear", text="clear all flags")
    sub.add_argument("-S", "--set", metavar="MASK", type=_mask, help="set the flags to MASK")
    sub.add_argument("-s", "--setbit", metavar="MASK", type=_mask, help="set the flags in MASK")
    sub.add_argument("-c", "--clearbit", metavar="MASK", type=_mask, help="clear the flags in MASK")
    sub.add_argument("module", metavar="MODULE", help="name of the module")
    from rosin.cli.trace import add_module_trace

    add_module_trace(result)
    return result


def _load_options(sub: AdminParser) -> None:
    sub.add_argument("--name", metavar="NAME", help="another name for the module")
    sub.flag("--exec", text="run the module in a process of its own")
    sub.add_argument("--loader", metavar="PATH", help="program that runs it, with --exec")
    sub.add_argument("module", metavar="MODULE", help="name or file of the module")
    sub.add_argument("arg", metavar="ARG", nargs="*", help="arguments of the module")


def _remove_options(sub: AdminParser) -> None:
    sub.flag("-f", "--force", text="do not complain when it is not loaded")
    sub.flag("--cancel", text="interrupt its end, or kill its process, instead of waiting for it")


def _stats_options(sub: AdminParser) -> None:
    add = sub.add_argument
    add("-p", "--parse", metavar="NAME", help="print only this member; dots lead into objects")
    add("-s", "--scale", metavar="N", type=float, default=1.0, help="multiply a number by N")
    add("-t", "--type", metavar="TYPE", choices=("int", "double"), help="print a number as int or double")
    add(
        "-R",
        "--rusage",
        metavar="WHO",
        nargs="?",
        const="self",
        help="print the resource usage of 'self' (default), 'children' or 'thread'",
    )
    sub.flag("-c", "--clear", text="reset the statistics")
    sub.flag("-C", "--clear-all", text="reset them on all brokers")
    add("module", metavar="MODULE", help="name of the module")


def _list(args: argparse.Namespace) -> None:
    with connect() as h:
        mods = h.rpc("module.list").get()["mods"]
    print(_row("Module", "Idle", "S", "Sendq", "Recvq", "Service", "Path" if args.long else None))
    for mod in mods:
        idle = str(mod["idle"]) if mod["idle"] < 100 else "idle"
        services = ",".join(sorted(name for name in mod["services"] if name != mod["name"]))
        queues = str(mod.get("sendqueue", 0)), str(mod.get("recvqueue", 0))
        path = mod["path"] if args.long else None
        print(_row(mod["name"], idle, _STATES[mod["status"]], *queues, services, path))


def _row(name: str, idle: str, state: str, sendq: str, recvq: str, service: str, path: str | None) -> str:
    line = f"{name:<24} {idle:>5} {state:>2} {sendq:>5} {recvq:>5} "
    return line + (service if path is None else f"{service:<8} {path}")


def _path(name: str) -> str:
    """A file as the broker finds it: it has another working directory."""
    return os.path.realpath(name) if "/" in name else name


def module_name(path: str) -> str:
    """The name of the module in a file: ``sched-simple`` for ``/a/sched-simple.so``."""
    base = os.path.basename(path)
    for suffix in (".so", ".py"):
        base = base.partition(suffix)[0] if suffix in base else base
    return base


def _load_request(args: argparse.Namespace, path: str) -> dict[str, Any]:
    request: dict[str, Any] = {"path": path, "args": args.arg}
    if args.name:
        request["name"] = args.name
    if args.exec:
        request["exec"] = True
    if args.loader:
        request["loader"] = args.loader
    return request


def _do_remove(h: Flux, args: argparse.Namespace, name: str) -> None:
    request: dict[str, Any] = {"name": name}
    if args.cancel:
        request["cancel"] = True
    with about(f"remove {args.module}"):
        try:
            h.rpc("module.remove", request).get()
        except OSError as exc:
            if not (args.force and exc.errno == errno.ENOENT):
                raise


def _load(args: argparse.Namespace) -> None:
    with connect() as h, about(f"load {args.module}"):
        h.rpc("module.load", _load_request(args, _path(args.module))).get()


def _remove(args: argparse.Namespace) -> None:
    with connect() as h:
        _do_remove(h, args, args.module)


def _reload(args: argparse.Namespace) -> None:
    with connect() as h:
        name = args.name or module_name(args.module)
        loaded = {mod["name"]: mod["path"] for mod in h.rpc("module.list").get()["mods"]}
        request = _load_request(args, _source(loaded, name, args.module))
        cancel = {"cancel": True} if args.cancel else {}
        if name in loaded and _replace(h, request, name, cancel):
            return
        _do_remove(h, args, name)
        with about(f"load {args.module}"):
            try:
                h.rpc("module.load", request).get()
            except OSError as exc:
                if name not in loaded:
                    raise
                again = f"{args.prog.replace('-', ' ', 1)} load {args.module}"
                text = f"{exc.strerror}; {name} is not loaded now, '{again}' loads it"
                raise OSError(exc.errno, text) from None


def _replace(h: Flux, request: dict[str, Any], name: str, cancel: dict[str, Any]) -> bool:
    """Let the broker replace a module, which keeps the old one if the new one fails; False: it cannot."""
    with about(f"load {name}"):
        try:
            h.rpc("module.reload", {**request, "name": name, **cancel}).get()
        except OSError as exc:
            if exc.errno == errno.ENOSYS:  # flux-core's has two requests for it
                return False
            raise
    return True


def _source(loaded: dict[str, str], name: str, wanted: str) -> str:
    """Where to load a module from again. Raises OSError if it is gone: what runs is not removed then.

    A name that the broker does not know by itself is that of a module that was loaded from elsewhere.
    """
    path = _path(wanted)
    if "/" not in path and ":" not in path:
        place = loaded.get(name, "")
        path = place if "/" in place or ":" in place else path
    if "/" in path and not os.path.exists(path):
        raise OSError(errno.ENOENT, f"load {path}: {os.strerror(errno.ENOENT)}: {name} is left as it is")
    return path


def _stats(args: argparse.Namespace) -> None:
    name = args.module
    with connect() as h:
        if args.clear_all:
            h.event_send(f"{name}.stats-clear")
            return
        if args.clear:
            with about(f"{name}.stats-clear"):
                h.rpc(f"{name}.stats-clear").get()
            return
        topic = f"{name}.rusage" if args.rusage else f"{name}.stats-get"
        with about(topic):
            stats = h.rpc(topic, {"who": args.rusage} if args.rusage else None).get()
    print(format_stats(stats, args.parse, args.scale, args.type))


def find_member(obj: Any, path: str) -> Any:
    """The member at a dotted path; names may hold dots themselves. KeyError if there is none."""
    if isinstance(obj, dict):
        if path in obj:
            return obj[path]
        for name, value in obj.items():
            if path.startswith(f"{name}."):
                try:
                    return find_member(value, path[len(name) + 1 :])
                except KeyError:
                    continue
    raise KeyError(path)


def format_stats(stats: Any, path: str | None, scale: float, kind: str | None) -> str:
    """The text of ``module stats``: one member scaled and typed, or everything. Raises ValueError."""
    import json

    if path is not None:
        try:
            stats = find_member(stats, path)
        except KeyError:
            raise ValueError(f"`{path}' not found in response") from None
    number = isinstance(stats, (int, float)) and not isinstance(stats, bool)
    if not number:
        return json.dumps(stats, indent=1, ensure_ascii=False)
    if kind == "int" or (kind is None and isinstance(stats, int)):
        return str(int(stats * scale))
    return f"{stats * scale:.6f}"


def _mask(text: str) -> int:
    """Debug flags, in base 10, 8 (``010``) or 16 (``0x8``), as in C. Raises ArgumentTypeError."""
    from argparse import ArgumentTypeError

    try:
        value = int(text, 8 if text[:1] == "0" and text.isdigit() else 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise ArgumentTypeError(f"invalid mask {text!r}: expected a number below 2^32, as in 0x10 or 16")
    return value


def _debug(args: argparse.Namespace) -> None:
    request: dict[str, Any] = {"op": "setbit", "flags": 0}
    if args.clear:
        request = {"op": "clr", "flags": 0}
    elif args.set is not None:
        request = {"op": "set", "flags": args.set}
    elif args.setbit is not None:
        request = {"op": "setbit", "flags": args.setbit}
    elif args.clearbit is not None:
        request = {"op": "clrbit", "flags": args.clearbit}
    with connect() as h, about(f"{args.module}.debug"):
        flags = h.rpc(f"{args.module}.debug", request).get()["flags"]
    sys.stdout.write(f"0x{flags:x}\n")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
