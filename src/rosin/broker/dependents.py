# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules that mirror the state of others, and so come and go with them. Pure.

When a module is removed, those that follow it end first: what they know would be of a past life. They come
back, with their arguments, when all that they followed is loaded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container

    from rosin.broker.module import BrokerModule


class EndedModule(NamedTuple):
    """A module that has ended, how it was loaded, and what it followed then."""

    name: str
    cls: type[BrokerModule]
    args: list[str]
    path: str
    followed: tuple[str, ...]


class Dependents:
    """Those that wait to come back, in the order of loading."""

    def __init__(self) -> None:
        self._waiting: dict[str, EndedModule] = {}

    def wait(self, user: EndedModule) -> None:
        """A module has ended; those ended before it that had been loaded after it."""
        self._waiting = {user.name: user, **self._waiting}

    def forget(self, name: str) -> None:
        """A module has been loaded or removed for its own sake: it is not waited for any more."""
        self._waiting.pop(name, None)

    def waits(self, name: str) -> bool:
        """Whether a module is to come back."""
        return name in self._waiting

    def ready(self, loaded: Container[str]) -> EndedModule | None:
        """One whose followed modules are all there; it waits no longer."""
        for user in self._waiting.values():
            if all(followed in loaded for followed in user.followed):
                return self._waiting.pop(user.name)
        return None
