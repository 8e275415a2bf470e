# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin cron``: run commands at intervals, at dates, and on events."""

from __future__ import annotations

import errno
import math
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from rosin.cli.arguments import REMAINDER
from rosin.cli.base import connect, duration
from rosin.cli.subcommands import AdminParser, about, dispatch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

#: What ``--options`` may set.
_OPTIONS = ("rank", "task-history-count", "stop-on-failure", "timeout")


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Run commands at intervals, at dates, and on events, outside of jobs.")
    sub = result.command("interval", _interval, "run a command again and again")
    _entry_options(sub)
    _count_options(sub)
    sub.add_argument(
        "-a", "--after", metavar="INTERVAL", type=duration, help="how long before the first time"
    )
    sub.add_argument(
        "interval", metavar="INTERVAL", type=duration, help="how long from one to the next, as in 5m"
    )
    _command(sub)
    sub = result.command("event", _event, "run a command when events are published")
    _entry_options(sub)
    _count_options(sub)
    sub.add_argument("-n", "--nth", metavar="N", type=_number, help="on every Nth event")
    sub.add_argument("-a", "--after", metavar="N", type=_number, help="for the first time after N events")
    sub.add_argument("-i", "--min-interval", metavar="T", type=duration, help="how long from one to the next")
    sub.add_argument("topic", metavar="TOPIC", help="topic of the events")
    _command(sub)
    sub = result.command("tab", _tab, "run commands at dates, from a crontab")
    _entry_options(sub)
    sub.add_argument(
        "file", metavar="FILE", nargs="?", help="the crontab (default: stdin); months are 0 to 11"
    )
    sub = result.command("at", _at, "run a command once, at a date")
    _entry_options(sub)
    sub.add_argument("time", metavar="TIME", help="date and time, as date(1) takes it")
    _command(sub)
    result.command("list", _list, "list the entries")
    sub = result.command("dump", _dump, "print all that is known of an entry")
    sub.add_argument("-k", "--key", metavar="KEY", help="print only the value of this key")
    sub.add_argument("entry", metavar="ID", type=_number, help="number of the entry")
    sub = result.command("delete", _delete, "remove entries")
    sub.flag("-k", "--kill", text="end what they run at present, too")
    _entries(sub)
    _entries(result.command("stop", _stop, "stop entries"))
    _entries(result.command("start", _start, "start stopped entries again"))
    sub = result.command("sync", _sync, "tell, or choose, the event after which commands run")
    sub.flag("-d", "--disable", text="run them at their time")
    sub.add_argument(
        "-e", "--epsilon", metavar="TIME", type=duration, help="how long after it they still run at once"
    )
    sub.add_argument("topic", metavar="TOPIC", nargs="?", help="topic of the event")
    return result


def _entry_options(sub: AdminParser) -> None:
    sub.add_argument(
        "-o",
        "--options",
        metavar="OPTS",
        action="append",
        default=[],
        help=f"comma separated KEY=NUMBER of {', '.join(_OPTIONS)}",
    )
    sub.flag("-E", "--preserve-env", text="run it in this environment (default: the broker's)")
    sub.add_argument("-d", "--working-dir", metavar="DIR", help="working directory (default: the broker's)")


def _count_options(sub: AdminParser) -> None:
    sub.add_argument("-c", "--count", metavar="N", type=_number, help="run it N times at most")
    sub.add_argument(
        "-N", "--name", metavar="S", help="name of the entry (default: the command's first word)"
    )


def _command(sub: AdminParser) -> None:
    sub.add_argument("command", metavar="COMMAND", nargs=REMAINDER, help="shell command")


def _entries(sub: AdminParser) -> None:
    sub.add_argument("entries", metavar="ID", nargs="+", type=_number, help="number of an entry")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 31:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"invalid number '{text}': expected one such as 3")
    return int(text)


# -- making entries -----------------------------------------------------------------------------------


def _request(args: argparse.Namespace, kind: str, data: dict[str, Any], command: str) -> dict[str, Any]:
    """The payload of ``cron.create``. Raises ValueError."""
    if not command.strip():
        raise ValueError("no command given")
    request: dict[str, Any] = {"type": kind, "name": command.split()[0], "command": command, "args": data}
    if args.working_dir is not None:
        request["cwd"] = os.path.abspath(args.working_dir)
    if args.preserve_env:
        request["environ"] = dict(os.environ)
    for pair in (pair for pairs in args.options for pair in pairs.split(",")):
        key, _, value = pair.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if key not in _OPTIONS or not math.isfinite(number):
            raise ValueError(
                f"--options: '{pair}': expected KEY=NUMBER of {', '.join(_OPTIONS)}, as in rank=1"
            )
        request[key] = number if key == "timeout" else int(number)
    return request


def _create(args: argparse.Namespace, kind: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    request = _request(args, kind, data, " ".join(args.command))
    request |= {key: value for key, value in more.items() if value is not None}
    with connect() as h, about("create"):
        entry: dict[str, Any] = h.rpc("cron.create", request).get()
    return entry


def _interval(args: argparse.Namespace) -> None:
    data = {"interval": args.interval, **({} if args.after is None else {"after": args.after})}
    entry = _create(args, "interval", data, repeat=args.count, name=args.name)
    print(f"interval: cron-{entry['id']} created")


def _event(args: argparse.Namespace) -> None:
    options = {"nth": args.nth, "after": args.after, "min_interval": args.min_interval}
    data = {"topic": args.topic, **{key: value for key, value in options.items() if value is not None}}
    entry = _create(args, "event", data, repeat=args.count, name=args.name)
    print(f"event: cron-{entry['id']} created")


def _at(args: argparse.Namespace) -> None:
    import subprocess

    done = subprocess.run(["date", "+%s", f"--date={args.time}"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"Failed to parse datetime arg: {done.stderr.strip().removeprefix('date: ')}")
    date = time.localtime(int(done.stdout))
    data = {
        "second": date.tm_sec,
        "minute": date.tm_min,
        "hour": date.tm_hour,
        "mday": date.tm_mday,
        "month": date.tm_mon - 1,
        "year": date.tm_year - 1900,
    }
    _tell("at", _create(args, "datetime", data, repeat=1))


def _tab(args: argparse.Namespace) -> None:
    from rosin.internal import crontab

    if args.file in (None, "-"):
        text = sys.stdin.read()
    else:
        with open(args.file, encoding="utf-8") as file:
            text = file.read()
    try:
        lines = crontab.decode(text)
    except ValueError as exc:
        raise ValueError(f"Failed to process crontab {exc}") from None
    with connect() as h, about("create"):
        for line in lines:
            request = _request(args, "datetime", line.args, line.command)
            _tell("tab", h.rpc("cron.create", request).get())


def _tell(word: str, entry: dict[str, Any]) -> None:
    wakeup = entry["typedata"]["next_wakeup"]
    if entry["stopped"]:
        print(f"{word}: cron-{entry['id']} created: there is no such date")
        return
    date = time.strftime("%c", time.localtime(wakeup))
    print(f"{word}: cron-{entry['id']} created: scheduled in {wakeup - time.time():.3f}s at {date}")


# -- looking at them ------------------------------------------------------------------------------------


def ago(seconds: float) -> str:
    """A time that has passed, in words."""
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    for below, text in (
        (seconds < 0, "in the future"),
        (seconds < 2, "a second ago"),
        (seconds < 90, f"{seconds:.0f} seconds ago"),
        (minutes < 2, "a minute ago"),
        (minutes < 90, f"{minutes:.0f} minutes ago"),
        (hours < 36, f"{hours:.1f} hours ago"),
        (days < 14, f"{days:.1f} days ago"),
        (days < 70, f"{(int(days) + 3) // 7} weeks ago"),
        (days < 365, f"{(int(days) + 15) // 30} months ago"),
    ):
        if below:
            return text
    return f"{days / 365:.1f} years ago"


def row(entry: dict[str, Any], now: float) -> str:
    """The line of an entry in the list."""
    last, status = "None", "None"
    if entry["tasks"]:
        task = entry["tasks"][0]
        started = next((t["start-time"] for t in entry["tasks"][:2] if "start-time" in t), None)
        last = "None" if started is None else ago(now - started)
        status = task["state"]
        if status == "Failed":
            status = "Exec-Error" if task["code"] == 127 else f"Failed:rc={task['code']}"
        elif status == "Exited":
            status = "Success"
    count = str(entry["stats"]["count"]) + (f"/{entry['repeat']}" if entry["repeat"] else "")
    state = "Stopped" if entry["stopped"] else "Active"
    return _line(str(entry["id"]), entry["name"], state, count, last, status)


def _line(number: str, name: str, state: str, runs: str, last: str, status: str) -> str:
    return f"{number:>6} {name:<15} {state:<8} {runs:>9} {last:>18}  {status:<18}"


def _list(_args: argparse.Namespace) -> None:
    with connect() as h:
        entries = h.rpc("cron.list", {}).get()["entries"]
    print(_line("ID", "CMD/NAME", "STATE", "#RUNS", "LASTRUN", "STATUS"))
    for entry in entries:
        print(row(entry, time.time()))


def members(entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keys and values of an entry, those of objects with a dotted key."""
    for key, value in entry.items():
        if key == "tasks":
            for number, task in enumerate(value, 1):
                yield from ((f"task.{number}.{name}", member) for name, member in task.items())
        elif isinstance(value, dict):
            yield from ((f"{key}.{name}", member) for name, member in value.items())
        else:
            yield key, value


def _dump(args: argparse.Namespace) -> None:
    with connect() as h:
        entries = h.rpc("cron.list", {}).get()["entries"]
    entry = next((entry for entry in entries if entry["id"] == args.entry), None)
    if entry is None:
        raise OSError(errno.ENOENT, f"cron-{args.entry}: No such cron entry found")
    for key, value in members(entry):
        if args.key is None:
            print(f"{key} = {_text(value, quoted=True)}")
        elif args.key == key:
            print(_text(value))


def _text(value: Any, quoted: bool = False) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.14g}"
    return f'"{value}"' if quoted and isinstance(value, str) else str(value)


# -- changing them --------------------------------------------------------------------------------------


def _each(args: argparse.Namespace, method: str, **more: Any) -> Iterator[dict[str, Any]]:
    with connect() as h:
        for number in args.entries:
            with about(f"cron-{number}"):
                entry: dict[str, Any] = h.rpc(f"cron.{method}", {"id": number, **more}).get()
            yield entry


def _delete(args: argparse.Namespace) -> None:
    for entry in _each(args, "delete", kill=args.kill):
        print(f"Removed cron-{entry['id']}: {entry['name']}{_last_run(entry)}")


def _last_run(entry: dict[str, Any]) -> str:
    task = entry["tasks"][0] if entry["tasks"] else {}
    if "start-time" not in task:
        return ""
    now, begun, ended = time.time(), task["start-time"], task.get("end-time")
    if ended is None:
        return f" still running. Started {ago(now - begun)}"
    return f" last ran {ago(now - ended)} for {(ended - begun) * 1000:.2f}ms"


def _stop(args: argparse.Namespace) -> None:
    for entry in _each(args, "stop"):
        print(f"Stopped cron-{entry['id']}")


def _start(args: argparse.Namespace) -> None:
    for entry in _each(args, "start"):
        print(f"Started cron-{entry['id']}")


def _sync(args: argparse.Namespace) -> None:
    request: dict[str, Any] = {}
    if args.disable:
        request["disable"] = True
    elif args.topic is not None:
        request["topic"] = args.topic
    if args.epsilon is not None:
        request["sync_epsilon"] = args.epsilon
    with connect() as h, about("sync"):
        answer = h.rpc("cron.sync", request).get()
    if answer.get("sync_disabled"):
        print("sync: sync disabled.")
    else:
        print(f'sync: sync to event "{answer["sync_event"]}" epsilon={answer["sync_epsilon"]:.3f}s.')


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
