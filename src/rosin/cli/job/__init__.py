# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job``: finds a subcommand's module in a static table and imports that one alone."""

from __future__ import annotations

import sys

from rosin.cli import load

#: Subcommand -> (module in this package[:function, else main], one-line help).
SUBCOMMANDS: dict[str, tuple[str, str]] = {
    "attach": ("attach", "follow a job to its end"),
    "cancel": ("control:cancel", "cancel jobs"),
    "eventlog": ("events:eventlog", "print the events of a job"),
    "hostpids": ("hostpids", "print host:pid of the tasks of a job"),
    "id": ("id", "write job ids in another form"),
    "info": ("info", "print jobspec, R, logs of a job"),
    "kill": ("control:kill", "send a signal to jobs"),
    "killall": ("control:killall", "send a signal to all jobs of a user"),
    "last": ("last", "print the ids of your most recent jobs"),
    "list": ("listing:list_jobs", "print jobs as lines of JSON"),
    "list-ids": ("listing:list_ids", "print some jobs as lines of JSON"),
    "list-inactive": ("listing:list_inactive", "print inactive jobs as lines of JSON"),
    "memo": ("memo", "attach notes to a job"),
    "namespace": ("namespace", "print the KVS namespaces of jobs"),
    "purge": ("purge", "forget inactive jobs"),
    "raise": ("control:raise_", "raise an exception on jobs"),
    "raiseall": ("control:raiseall", "raise an exception on all jobs of a user"),
    "stats": ("stats", "print numbers of jobs"),
    "status": ("status", "wait for jobs, and exit with their largest exit code"),
    "submit": ("submit", "submit a jobspec"),
    "taskmap": ("taskmap", "print or convert a task map"),
    "timeleft": ("timeleft", "print the time that a job has left"),
    "urgency": ("urgency", "change the urgency of a job"),
    "wait": ("wait", "wait for waitable jobs"),
    "wait-event": ("events:wait_event", "wait for an event of a job"),
    "why": ("why", "say why jobs wait"),
}


def usage(prog: str) -> str:
    """The text of ``--help``."""
    lines = [f"  {name:14} {text}" for name, (_, text) in sorted(SUBCOMMANDS.items())]
    return f"Usage: {prog} [--help] COMMAND [ARGS...]\n\nCommands:\n" + "\n".join(lines) + "\n"


def main(argv: list[str], prog: str) -> int:
    """Run ``rosin job SUBCOMMAND ARGS...``."""
    if not argv or argv[0] not in SUBCOMMANDS:
        asked = bool(argv) and argv[0] in ("-h", "--help", "help")
        if not asked:
            wrong = f"Unknown subcommand: {argv[0]}" if argv else "missing subcommand"
            sys.stderr.write(f"{prog}: {wrong}\n")
        (sys.stdout if asked else sys.stderr).write(usage(prog))
        return 0 if asked else 2
    name, _, function = SUBCOMMANDS[argv[0]][0].partition(":")
    command = getattr(load(f"job.{name}"), function or "main")
    try:
        return int(command(argv[1:], prog))
    except BrokenPipeError:
        raise
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        sys.stderr.write(f"{prog}: {where}{exc.strerror or exc}\n")
    except ValueError as exc:
        from rosin.cli.base import cause

        sys.stderr.write(f"{prog}: {cause(exc)}\n")
    return 1
