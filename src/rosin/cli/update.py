# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin update``: change attributes of a job."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from rosin.cli.arguments import Parser
from rosin.cli.base import connect, id_text, utf8_output
from rosin.cli.submission import parse_duration
from rosin.job.jobid import JobID

if TYPE_CHECKING:
    from rosin.handle.flux import Flux

_ALIASES = {"name": "attributes.system.job.name"}
_DURATION = "attributes.system.duration"


def parser(prog: str) -> Parser:
    """The options of the command."""
    result = Parser(prog, description="Change attributes of a job, if the instance allows it.")
    add = result.add_argument
    add("-n", "--dry-run", "--dry", action="store_true", help="print the update, do not apply it")
    add("-v", "--verbose", action="store_true", help="say what has been changed")
    add("--wait", action="store_true", help="wait until the change is in the job's event log")
    add("jobid", metavar="JOBID", type=JobID, help="the job")
    add("updates", metavar="KEY=VALUE", nargs="+", help="duration=[+-]FSD, name=NAME, or a jobspec key")
    return result


def full_key(key: str) -> str:
    """The jobspec key that a short one stands for."""
    key = _ALIASES.get(key, key)
    return key if key.startswith(("attributes.", "resources.", "tasks.")) else f"attributes.system.{key}"


def new_duration(text: str, jobid: int, current: float | None) -> float:
    """The duration that ``FSD``, ``+FSD`` or ``-FSD`` makes of the current one; 0 is unlimited.

    Raises ValueError.
    """
    if text[:1] not in ("+", "-"):
        seconds = parse_duration(text)
        return 0.0 if seconds == float("inf") else seconds
    if not current:
        raise ValueError(f"duration for {id_text(jobid)} is unlimited, can't update by {text}")
    change = parse_duration(text[1:])
    result = current + change if text[0] == "+" else current - change
    if result <= 0:
        from rosin.cli.fields import duration

        raise ValueError(
            f"current duration for {id_text(jobid)} ({duration(current)}) cannot be reduced by {text[1:]}"
        )
    return 0.0 if result == float("inf") else result


def _value(text: str) -> Any:
    from rosin import _json

    try:
        return _json.loads(text)
    except ValueError:
        return text


def _current_duration(handle: Flux, jobid: int) -> float:
    from rosin.job.lookup import job_kvs_lookup

    found = job_kvs_lookup(handle, jobid, ["jobspec"])
    if found is None:
        raise ValueError("unknown job id")
    return float(found["jobspec"]["attributes"]["system"].get("duration", 0))


def _wait(handle: Flux, jobid: int, updates: dict[str, Any], since: float) -> None:
    """Block until the update is in the event log; an older one like it does not count."""
    from rosin.job.events import event_watch

    for event in event_watch(handle, jobid):
        if (
            event.name == "jobspec-update"
            and event.timestamp > since
            and updates.items() <= event.context.items()
        ):
            return


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    utf8_output()
    args = parser(prog).parse_args(argv)
    start = time.time()
    updates: dict[str, Any] = {}
    with connect() as handle:
        for pair in args.updates:
            key, equals, text = pair.partition("=")
            if not key or not equals:
                raise ValueError(f"{pair}: not an update: it takes KEY=VALUE, as in duration=+30m")
            key = full_key(key)
            if key == _DURATION:
                current = _current_duration(handle, args.jobid) if text[:1] in ("+", "-") else None
                try:
                    updates[key] = new_duration(text, args.jobid, current)
                except ValueError as exc:
                    text = f"duration={text}: {exc}: it takes [+-]TIME, as in 90s, +1.5h, -30m"
                    raise ValueError(text) from None
            else:
                updates[key] = _value(text)
        if args.dry_run:
            import json

            print(json.dumps(updates))
            return 0
        from rosin.job.control import update_async

        try:
            update_async(handle, args.jobid, updates).get()
        except OSError as exc:
            raise OSError(exc.errno, f"{id_text(args.jobid)}: {exc.strerror}") from None
        if args.wait:
            _wait(handle, args.jobid, updates, start)
    if args.verbose:
        for key, value in updates.items():
            sys.stderr.write(f"{prog}: INFO: updated {key} to {value}\n")
    return 0
