# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 50: ``guest.exec.eventlog``, which the execution system and the job shell write while a job runs.

The entries are those of RFC 18. Events of the shell begin with ``shell.`` and are free; this log never moves
the state of a job, but readers wait on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.payload import describe
from rosin.rfc.states import check_context

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rosin.rfc.states import ContextTable

#: Key of the log in the guest namespace.
KEY = "exec.eventlog"

#: Event name -> (required, optional) context keys with the JSON types of their values.
EVENTS: ContextTable = {
    "init": ({}, {}),
    "reattach": ({}, {}),
    "starting": ({}, {}),
    "recoverable": ({}, {}),
    "complete": ({"status": (int,)}, {}),
    "log": ({}, {"component": (str,), "stream": (str,), "rank": (int, str), "data": (str,)}),
    "shell-exit": ({"rank": (int,), "wait_status": (int,)}, {"active_ranks": (str,)}),
    "done": ({}, {}),
}


def is_recoverable(names: Collection[str]) -> bool:
    """Tell whether a log with events of these names says that the shells can be taken up again."""
    return "recoverable" in names and "done" not in names


def validate(entries: Iterable[dict[str, Any]]) -> None:
    """Check the order and the contexts of a log, complete or cut short. Raises FormatError."""
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        name = entry["name"]
        fault = _order_fault(name, seen)
        if fault:
            raise FormatError(f"exec-eventlog: event {number}: {describe(name)} {fault}")
        try:
            check_context(name, entry.get("context"), EVENTS)
        except FormatError as error:
            raise FormatError(f"exec-eventlog: event {number}: {error}") from None
        seen.add(name)


def _order_fault(name: str, seen: set[str]) -> str | None:
    if not seen and name != "init":
        return "comes before init"
    if "done" in seen:
        return "comes after done"
    if name in seen and name in ("init", "starting", "recoverable", "complete", "shell-exit"):
        return "occurs twice"
    if name == "recoverable" and "starting" not in seen:
        return "comes before starting"
    return None
