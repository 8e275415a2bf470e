# SPDX-License-Identifier: LGPL-3.0-or-later
"""The topics of callbacks: which there are, what they pass, and which methods of a plugin they call."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError, did_you_mean
from rosin.rfc.states import TRANSITIONS, state_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Topic: what its callbacks are passed.
TOPICS: dict[str, tuple[str, ...]] = {
    "job.create": ("job",),
    "job.validate": ("job",),
    "job.new": ("job",),
    "job.priority.get": ("job",),
    "job.update": ("job", "updates"),
    "job.inactive-add": ("job",),
    "job.inactive-remove": ("job",),
    "job.destroy": ("job",),
    "conf.update": ("config",),
    "plugin.query": (),
}
#: The beginning of topics that go on with a scheme, the name of an event, a path or a state.
FAMILIES: dict[str, tuple[str, ...]] = {
    "job.dependency.": ("job", "dependency"),
    "job.event.": ("job", "entry"),
    "job.update.": ("job", "update"),
    "job.state.": ("job",),
}
#: State: the topic of jobs that enter it.
STATE_TOPICS = {state: f"job.state.{state_name(state, 'l')}" for state in TRANSITIONS}
_GLOB = frozenset("*?[")


def passed(topic: str) -> tuple[str, ...]:
    """What callbacks of *topic*, which may be a glob pattern in a family, are passed. Raises FormatError."""
    if topic in TOPICS:
        return TOPICS[topic]
    for family, names in FAMILIES.items():
        if topic.startswith(family) and len(topic) > len(family):
            if family == "job.state." and not _GLOB & set(topic) and topic not in STATE_TOPICS.values():
                states = ", ".join(state_name(state, "l") for state in TRANSITIONS)
                raise FormatError(f"topic '{topic}': there is no such state (known: {states})")
            return names
    known = [*TOPICS, *(f"{family}*" for family in FAMILIES)]
    hint = did_you_mean(topic, known) or f" (known: {', '.join(known)})"
    raise FormatError(f"unknown topic '{topic}'{hint}")


class Callbacks:
    """The methods of a plugin by topic."""

    def __init__(self, plugin: Any, *, check: bool = True) -> None:
        """Raises FormatError for a topic that does not exist, or a method that cannot be called for it.

        Without ``check`` it is known that there are none: to look takes long.
        """
        self._exact: dict[str, Callable[..., Any]] = {}
        self._globs: list[tuple[str, Callable[..., Any]]] = []
        for topics, method in _marked(plugin, "_jobtap_topics"):
            for topic in topics:
                if check:
                    _check(topic, method)
                if _GLOB & set(topic):
                    self._globs.append((topic, method))
                else:
                    self._exact[topic] = method

    def find(self, topic: str) -> Callable[..., Any] | None:
        """The method that *topic* calls: the one that names it, else the first whose pattern it matches."""
        method = self._exact.get(topic)
        if method is None and self._globs:
            method = next((method for glob, method in self._globs if fnmatchcase(topic, glob)), None)
        return method


def _marked(plugin: Any, mark: str) -> Iterator[tuple[Any, Callable[..., Any]]]:
    """What the decorator *mark* says, and the methods of *plugin* that carry it, in order."""
    names = dict.fromkeys(name for cls in reversed(type(plugin).__mro__) for name in vars(cls))
    for name in names:
        func: Any = getattr(type(plugin), name, None)
        if hasattr(func, mark):
            # Not by its name: an attribute of the plugin may have the same.
            yield getattr(func, mark), func.__get__(plugin)


def services(plugin: Any) -> Iterator[tuple[str, Callable[..., Any], bool]]:
    """The services of *plugin*: topic, method, and whether guests may use it."""
    name = plugin.name.lstrip(".").partition(".")[0]
    for (method, allow_guest), func in _marked(plugin, "_jobtap_service"):
        yield f"job-manager.{name}.{method}", func, allow_guest


def _check(topic: str, method: Callable[..., Any]) -> None:
    import inspect

    names = passed(topic)
    try:
        inspect.signature(method).bind(*names)
    except TypeError:
        takes = ", ".join(("self", *names))
        raise FormatError(f"{method.__name__}: a callback of {topic} takes ({takes})") from None
    if inspect.iscoroutinefunction(method):
        raise FormatError(f"{method.__name__}: a callback is a plain function: use rpc() and later()")
