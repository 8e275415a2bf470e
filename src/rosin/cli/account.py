# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin account``: banks, users, queues and factors, and what has been used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rosin.cli import accountview as view
from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, about, dispatch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_SERVICE = "job-manager.accounting"
_UNLIMITED = ("unlimited", "-1")
_USER = "a name, or the number of one that this machine does not know"
#: Options of each table: name, what it takes, what it is.
_OPTIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "bank": (
        ("parent-bank", "BANK", "the bank above it"),
        ("shares", "N", "its shares of what the bank above has"),
        ("priority", "NUMBER", "what it adds to priorities, times the factor 'bank'"),
    ),
    "user": (
        ("shares", "N", "the shares of what the bank has"),
        ("max-running-jobs", "LIMIT", "jobs that run, or that may start"),
        ("max-active-jobs", "LIMIT", "jobs that are not over"),
        ("max-nodes", "LIMIT", "nodes of those that run"),
        ("max-cores", "LIMIT", "cores of those that run"),
        ("queues", "QUEUE,...", "only these queues; '' for all"),
    ),
    "queue": (
        ("priority", "N", "what it adds to priorities, times the factor 'queue'"),
        ("max-running-jobs", "LIMIT", "jobs of each user and bank that run"),
        ("max-nodes-per-assoc", "LIMIT", "nodes of these"),
    ),
}
#: Option: the field, where that has another name.
_FIELDS = {"parent-bank": "parent", "max-nodes-per-assoc": "max_nodes"}


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog,
        "Manage banks and users, their limits and what they have used. The plugin 'accounting' of the job "
        "manager has to be loaded. A LIMIT is a number, or 'unlimited'.",
    )
    for table in _OPTIONS:
        _add_table(result, table)
    _add_factors(result)
    _add_usage(result)
    return result


def _add_table(result: AdminParser, table: str) -> None:
    one = result.command(f"add-{table}", _add, f"add a {table}")
    _key(one, table, adding=True)
    _values(one, table)
    one.set_defaults(table=table)
    one = result.command(f"edit-{table}", _edit, f"change a {table}")
    _key(one, table)
    _values(one, table)
    if table == "user":
        one.flag("--default-bank", text="make BANK the one of jobs that name none")
    one.set_defaults(table=table)
    one = result.command(f"delete-{table}", _delete, f"delete a {table}")
    _key(one, table)
    if table != "queue":
        one.flag("--force", text="remove it, rather than make it inactive")
    one.set_defaults(table=table, force=False)
    one = result.command(f"view-{table}", _view, f"show a {table}")
    _key(one, table)
    one.set_defaults(table=table)
    one = result.command(f"list-{table}s", _list, f"list all {table}s")
    one.flag("-j", "--json", text="as JSON")
    one.set_defaults(table=table)


def _key(one: AdminParser, table: str, adding: bool = False) -> None:
    if table != "user":
        one.add_argument("name", metavar=table.upper(), help=f"name of the {table}")
        return
    one.add_argument("name", metavar="USER", help=_USER)
    text = "the bank" if adding else "the bank (default: the user's default bank)"
    one.add_argument("-B", "--bank", metavar="BANK", required=adding, help=text)
    if adding:
        one.add_argument("-i", "--userid", metavar="UID", type=int, help="the user's number")


def _values(one: AdminParser, table: str) -> None:
    for name, metavar, text in _OPTIONS[table]:
        one.add_argument(f"--{name}", metavar=metavar, type=_types(metavar), help=text)


def _types(metavar: str) -> Callable[[str], Any]:
    types: dict[str, Callable[[str], Any]] = {"N": int, "NUMBER": _finite, "LIMIT": _limit}
    return types.get(metavar, str)


def _add_factors(result: AdminParser) -> None:
    one = result.command("list-factors", _list, "list what counts how much")
    one.flag("-j", "--json", text="as JSON")
    one.set_defaults(table="factor")
    one = result.command("edit-factor", _edit_factor, "change how much something counts")
    one.add_argument(
        "name",
        metavar="FACTOR",
        help="fairshare, queue, bank or urgency in priorities; node, "
        "core or gpu in usage; half-life of usage, in seconds",
    )
    one.add_argument("weight", metavar="WEIGHT", type=_finite, help="its weight")
    one = result.command("reset-factor", _delete, "let something count as much as at first")
    one.add_argument("name", metavar="FACTOR", help="name of the factor")
    one.set_defaults(table="factor", force=False)


def _add_usage(result: AdminParser) -> None:
    one = result.command(
        "show-usage", _show_usage, "show the tree of banks and users with usage and fair share"
    )
    one.add_argument("name", metavar="BANK", nargs="?", help="only this bank and what is below it")
    one = result.command("jobs", _jobs, "list the jobs that were")
    one.add_argument("name", metavar="USER", nargs="?", help=f"of this user: {_USER}")
    one.add_argument("-s", "--since", metavar="WHEN", help="that ended since then, as in --since=-7d")
    one.add_argument("-c", "--count", metavar="N", type=int, default=1000, help="at most so many (1000)")
    one = result.command("view-usage-report", _report, "sum up what jobs have used, in node hours")
    one.add_argument(
        "-s", "--start", metavar="WHEN", default="-7d", help="of jobs that ended from then (-7d)"
    )
    one.add_argument("-e", "--end", metavar="WHEN", default="now", help="to then (now)")
    one = result.command("clear-usage", _clear, "forget what the users of a bank have used")
    one.add_argument("name", metavar="BANK", help="the bank")
    one = result.command("scrub-old-jobs", _scrub, "forget jobs that ended long ago")
    one.add_argument("weeks", metavar="WEEKS", nargs="?", type=_finite, default=26.0, help="so long (26)")


# -- values -----------------------------------------------------------------------------------------


def _finite(text: str) -> float:
    try:
        if math.isfinite(float(text)):
            return float(text)
    except ValueError:
        pass  # no number at all
    from argparse import ArgumentTypeError

    raise ArgumentTypeError(f"invalid number {text!r}: it takes a number, as in 1.5")


def _limit(text: str) -> int | str:
    """A limit; ``unlimited`` stands for none, as None for an option that was not given."""
    if text in _UNLIMITED:
        return "unlimited"
    try:
        return int(text)
    except ValueError:
        from argparse import ArgumentTypeError

        form = "a whole number or 'unlimited', as in 10"
        raise ArgumentTypeError(f"invalid limit {text!r}: it takes {form}") from None


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The fields that options set."""
    values = {}
    for name, metavar, _ in _OPTIONS[args.table]:
        value = getattr(args, name.replace("-", "_"))
        if value is not None:
            no_limit = metavar == "LIMIT" and value == "unlimited"
            values[_FIELDS.get(name, name.replace("-", "_"))] = None if no_limit else value
    return values


def _userid(name: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        pass
    if name.isdecimal():
        return int(name)
    raise ValueError(f"this machine does not know the user {name}: give --userid, or the number as USER")


def _row_key(args: argparse.Namespace) -> list[Any]:
    """What identifies the row that is meant."""
    if args.table != "user":
        return [args.name]
    userid, bank = _known_userid(args.name), args.bank
    if bank is None:
        mine = [row for row in _rows("user") if row["userid"] == userid]
        bank = next((row["bank"] for row in mine if row["default"]), None)
        if bank is None:
            raise ValueError(f"user {args.name} has no default bank: give --bank")
    return [userid, bank]


def _known_userid(name: str) -> int:
    """The number of a user of the database, whether or not this machine knows the name."""
    found = {row["userid"] for row in _rows("user") if row["username"] == name}
    return found.pop() if found else _userid(name)


# -- requests ---------------------------------------------------------------------------------------


def _call(method: str, payload: dict[str, Any]) -> Any:
    with connect() as h:
        try:
            return h.rpc(f"{_SERVICE}.{method}", payload).get()
        except OSError as error:
            import errno

            if error.errno == errno.ENOSYS:
                text = "there are no accounts here: rosin jobtap load accounting database=/PATH"
                raise OSError(errno.ENOSYS, text) from None
            raise


def _rows(table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _call("list", {"table": table})["rows"]
    return rows


def _add(args: argparse.Namespace) -> None:
    values = _given(args)
    if args.table == "user":
        userid = _userid(args.name) if args.userid is None else args.userid
        values |= {"username": args.name, "userid": userid, "bank": args.bank}
    else:
        values[args.table] = args.name
    with about(f"add-{args.table}"):
        _call("add", {"table": args.table, "values": values})


def _edit(args: argparse.Namespace) -> None:
    values = _given(args)
    if getattr(args, "default_bank", False):
        values["default"] = True
    with about(f"edit-{args.table}"):
        _call("edit", {"table": args.table, "key": _row_key(args), "values": values})


def _edit_factor(args: argparse.Namespace) -> None:
    payload = {"table": "factor", "key": [args.name], "values": {"weight": args.weight}}
    with about("edit-factor"):
        _call("edit", payload)


def _delete(args: argparse.Namespace) -> None:
    with about(f"delete-{args.table}"):
        _call("delete", {"table": args.table, "key": _row_key(args), "force": args.force})


def _view(args: argparse.Namespace) -> None:
    names = ("userid", "bank") if args.table == "user" else (args.table,)
    key = _row_key(args)
    view.print_json([row for row in _rows(args.table) if [row[name] for name in names] == key], args)


def _list(args: argparse.Namespace) -> None:
    rows = _rows(args.table)
    if args.json:
        view.print_json(rows, args, empty=True)
    else:
        view.print_table(args.table, rows)


def _show_usage(args: argparse.Namespace) -> None:
    view.print_tree(_rows("bank"), _rows("user"), args.name)


def _jobs(args: argparse.Namespace) -> None:
    payload: dict[str, Any] = {"limit": args.count}
    if args.name is not None:
        payload["userid"] = _known_userid(args.name)
    if args.since is not None:
        payload["since"] = view.moment(args.since)
    view.print_jobs(_call("jobs", payload)["jobs"], _rows("user"))


def _report(args: argparse.Namespace) -> None:
    payload = {"start": view.moment(args.start), "end": view.moment(args.end)}
    view.print_report(_call("report", payload)["usage"], _rows("user"))


def _clear(args: argparse.Namespace) -> None:
    with about("clear-usage"):
        count = _call("clear", {"bank": args.name})["count"]
    print(f"usage of {count} users cleared")


def _scrub(args: argparse.Namespace) -> None:
    import time

    print(f"{_call('scrub', {'before': time.time() - args.weeks * 604800})['count']} jobs forgotten")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
