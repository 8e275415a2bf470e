# SPDX-License-Identifier: LGPL-3.0-or-later
"""The plugins of a shell, and calling them at a point of its life."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Concatenate, ParamSpec, Protocol

_Given = ParamSpec("_Given")
#: A point: the base class's method of that name, which does nothing.
Point = Callable[Concatenate[Any, _Given], None]


class Named(Protocol):
    """All that the stack needs to know of a plugin: its name, and where it has something to do."""

    name: str
    points: ClassVar[tuple[str, ...]]


class ShellStack:
    """Plugins in the order in which they are called."""

    def __init__(self) -> None:
        self._plugins: dict[str, Named] = {}
        self._handlers: defaultdict[str, list[Callable[..., None]]] = defaultdict(list)

    def push(self, plugin: Named) -> None:
        """Add a plugin behind the others, or in the place of the one that has its name."""
        again = plugin.name in self._plugins
        self._plugins[plugin.name] = plugin
        if again:
            self._handlers.clear()
        for each in list(self._plugins.values()) if again else [plugin]:
            for point in each.points:
                self._handlers[point].append(getattr(each, point))

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._plugins.values()))

    def handlers(self, point: Point[_Given]) -> list[Callable[_Given, None]]:
        """What plugins do at a point, in order."""
        return self._handlers[point.__name__]

    def call(self, point: Point[_Given], *args: _Given.args, **kwargs: _Given.kwargs) -> None:
        """Call every plugin that has something to do at a point. The first exception is raised."""
        for handler in self._handlers[point.__name__]:
            handler(*args, **kwargs)
