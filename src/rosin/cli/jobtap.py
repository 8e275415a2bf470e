# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin jobtap``: list, load and remove plugins of the job manager."""

from __future__ import annotations

import os

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, perform

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "List, load and remove plugins of the job manager.")
    sub = result.command("list", _list, "list the loaded plugins")
    sub.flag("-a", "--all", text="those that come with the job manager, too")
    sub = result.command("load", _load, "load a plugin")
    sub.add_argument(
        "-r",
        "--remove",
        metavar="NAME",
        help="remove the plugins of this name or pattern before ('all': those that were loaded)",
    )
    sub.add_argument(
        "plugin", metavar="PLUGIN", help="a Python file, or the name of one that comes with Rosin"
    )
    sub.add_argument(
        "conf",
        metavar="KEY=VALUE",
        nargs="*",
        type=setting,
        help="settings of the plugin; values may be JSON, dots in a key lead into objects",
    )
    sub = result.command("remove", _remove, "remove plugins")
    sub.add_argument(
        "plugin", metavar="NAME", help="name or pattern of plugins; 'all': those that were loaded"
    )
    sub = result.command("query", _query, "print what is known of a plugin, and what it says of itself")
    sub.add_argument("plugin", metavar="NAME", help="name of the plugin")
    return result


def _list(args: argparse.Namespace) -> None:
    for name in _request({"query_only": True})["plugins"]:
        if args.all or not name.startswith("."):
            print(name)


def _load(args: argparse.Namespace) -> None:
    from rosin.rfc import treedict

    # A file as the broker finds it: it has another working directory.
    path = os.path.realpath(args.plugin) if "/" in args.plugin else args.plugin
    request: dict[str, Any] = {"load": path}
    for key, value in args.conf:
        treedict.put(request.setdefault("conf", {}), key, value)
    if args.remove:
        request["remove"] = args.remove
    try:
        _request(request)
    except FileNotFoundError as exc:
        raise OSError(str(exc.strerror).replace(": No such plugin found", " not found")) from None


def _remove(args: argparse.Namespace) -> None:
    try:
        _request({"remove": args.plugin})
    except FileNotFoundError:
        raise OSError(f"{args.plugin} not found") from None


def _query(args: argparse.Namespace) -> None:
    from rosin import _json

    with connect() as h:
        print(_json.dumps(h.rpc("job-manager.jobtap-query", {"name": args.plugin}).get()).decode())


def _request(request: dict[str, Any]) -> Any:
    with connect() as h:
        return h.rpc("job-manager.jobtap", request).get()


def setting(text: str) -> tuple[str, Any]:
    """The key and value of ``KEY=VALUE``; a value that is JSON is that. Raises ValueError."""
    from rosin import _json

    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise ValueError(text)
    try:
        return key, _json.loads(value)
    except ValueError:
        return key, value


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return perform(parser(prog), argv, prog)
