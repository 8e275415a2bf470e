# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the configuration's table ``[modules]`` makes of the modules of an instance. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.rcplan import solve
from rosin.broker.rcplan.table import TaskTable
from rosin.broker.rcplan.tasks import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.broker.rcplan.tasks import RcConditions

#: The key of ``[modules]`` that says who provides which service.
ALTERNATIVES = "alternatives"
#: The service that the attribute ``content.backing-module`` chooses a module for.
BACKING = "content-backing"


def update(table: TaskTable, name: str, entry: Any) -> None:
    """Change the settings of a module. Raises ValueError that says what is wrong."""
    task = table.get(name)
    if not isinstance(entry, dict) or not isinstance(task, Module):
        raise ValueError(f"{name}: expected a table with settings of a module")
    task.update(entry)


def configure(table: TaskTable, modules: Mapping[str, Any]) -> list[str]:
    """Do what ``[modules]`` says; returns the modules that are to be loaded in addition. Raises ValueError.

    An entry is about the module of its name, or the one that provides a service of that name; else it is a
    new one, which flux-core would refuse. One of several that provide a service waits to be chosen.
    """
    added = []
    for name, entry in modules.items():
        if name == ALTERNATIVES:
            continue
        if name in table:
            update(table, name, entry)
        else:
            table.add(Module({"name": name, **entry}))
            added.append(name)
    for service, name in modules.get(ALTERNATIVES, {}).items():  # when all are there
        table.set_alternative(service, name)
    return [
        name
        for name in added
        if all(len(table.providers(service)) == 1 for service in table.get(name).provides)
    ]


def planned(
    broker: RcConditions,
    entries: Iterable[Mapping[str, Any]],
    wanted: Iterable[str],
    modules: Mapping[str, Any],
) -> list[Module]:
    """The modules to load, one after the other.

    *entries* describes those that there are, *wanted* names modules and services in their usual order. New
    modules come last, unless they say what they go before. Raises ValueError that says what is wrong.
    """
    table = TaskTable(broker)
    for entry in entries:
        table.add(Module(entry))
    names = [*wanted, *configure(table, modules)]
    backing = broker.attr_get("content.backing-module")
    if backing is not None and BACKING in names:
        table.set_alternative(BACKING, backing)
    found = solve.required(table, names)
    places = {name: place for place, name in reversed([*enumerate([*names, *found])])}

    def place(name: str) -> int:
        return min(places[key] for key in (name, *table.get(name).provides) if key in places)

    tasks = (table.get(name) for name in solve.line(solve.order(table, found), place))
    return [task for task in tasks if isinstance(task, Module)]
