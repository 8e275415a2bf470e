# SPDX-License-Identifier: LGPL-3.0-or-later
"""What has to be done for what is wanted, and in which order. Pure."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from rosin.broker.rcplan.tasks import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rosin.broker.rcplan.table import TaskTable


def required(table: TaskTable, names: Iterable[str], *, always: bool = False) -> list[str]:
    """The tasks that run for *names*, with those that they require, each once. Raises ValueError.

    *always*: those that are not enabled, too.
    """
    found: dict[str, None] = {}
    waiting = list(names)[::-1]
    while waiting:
        task = table.resolve(waiting.pop(), always=always)
        if task is not None and task.name not in found:
            found[task.name] = None
            waiting += task.requires[::-1]
    return list(found)


def order(table: TaskTable, names: Iterable[str]) -> dict[str, list[str]]:
    """For each of these tasks those among them that go before it."""
    tasks = {name: table.get(name) for name in names}
    first = [name for name, task in tasks.items() if EVERYTHING in task.before]
    last = [name for name, task in tasks.items() if EVERYTHING in task.after]
    before: dict[str, dict[str, None]] = {name: {} for name in tasks}
    for name, task in tasks.items():
        if name not in first:
            before[name].update(dict.fromkeys(first))
        if name in last:
            before[name].update(dict.fromkeys(other for other in tasks if other not in last))
        for other in _among(table, task.after, tasks):
            before[name][other] = None
        for other in _among(table, task.before, tasks):
            before[other][name] = None
    return {name: [other for other in others if other != name] for name, others in before.items()}


def sorter(before: Mapping[str, Iterable[str]]) -> TopologicalSorter[str]:
    """Hands out tasks, each when those before it are done. Raises ValueError if some wait for each other."""
    result = TopologicalSorter(before)
    try:
        result.prepare()
    except CycleError as exc:
        raise ValueError(f"tasks wait for each other: {' -> '.join(exc.args[1])}") from None
    return result


def line(before: Mapping[str, Iterable[str]], place: Callable[[str], int]) -> list[str]:
    """The tasks one after the other: of those that may be next, the one with the lowest place.

    Raises ValueError if some wait for each other.
    """
    tasks, found = sorter(before), list[str]()
    ready = [(place(name), name) for name in tasks.get_ready()]
    heapify(ready)
    while ready:
        found.append(heappop(ready)[1])
        tasks.done(found[-1])
        for name in tasks.get_ready():
            heappush(ready, (place(name), name))
    return found


def _among(table: TaskTable, names: Iterable[str], tasks: Mapping[str, object]) -> list[str]:
    """Those of *tasks* that names stand for."""
    found = (table.resolve(name, always=True) for name in names if name != EVERYTHING and name in table)
    return [task.name for task in found if task is not None and task.name in tasks]


def requirements(table: TaskTable, names: Iterable[str]) -> dict[str, set[str]]:
    """For each of these tasks those among them that it requires."""
    tasks = {name: table.get(name) for name in names}
    return {name: set(_among(table, task.requires, tasks)) for name, task in tasks.items()}


def removable(needs: Mapping[str, set[str]], names: Iterable[str]) -> list[str]:
    """What goes with *names*: what nobody who stays requires, of all that they required.

    *needs*: what each that is there requires. ValueError if somebody who stays requires one of *names*.
    """
    going = dict.fromkeys(names)
    for name in going:
        users = sorted(user for user, used in needs.items() if name in used and user not in going)
        if users:
            raise ValueError(f"{name} still in use by {', '.join(users)}")
    waiting = list(going)
    while waiting:
        for name in sorted(needs.get(waiting.pop(), ())):
            if name not in going and all(user in going for user, used in needs.items() if name in used):
                going[name] = None
                waiting.append(name)
    return list(going)
