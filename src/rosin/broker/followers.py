# SPDX-License-Identifier: LGPL-3.0-or-later
"""Modules that mirror the state of others, and so come and go with them.

When a module is removed, those that follow it end first: what they know would be of a past life. They come
back, with their arguments, when all that they followed is loaded again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.broker.broker import Broker
    from rosin.broker.module import BrokerModule


class Followers:
    """The modules of a broker that follow others, and those that wait to come back."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        #: Name -> class, arguments, and what was loaded of what it follows; in the order of loading.
        self._waiting: dict[str, tuple[type[BrokerModule], list[str], tuple[str, ...]]] = {}

    def of(self, name: str) -> list[str]:
        """The modules that follow the module *name*, the newest first."""
        modules = self._broker.modules
        return [user.module_name for user in modules.values() if name in user.follows][::-1]

    async def remove(self, name: str) -> None:
        """Remove the modules that follow *name*, and what follows them."""
        broker = self._broker
        while users := [user for user in self.of(name) if not broker.modules[user].stopping]:
            module = broker.modules[users[0]]
            loaded = tuple(followed for followed in module.follows if followed in broker.modules)
            broker.log(4, "broker", f"module {users[0]} ends with {name}, which it follows")
            # What waits is in the order of loading; it ends in the opposite one.
            self._waiting = {users[0]: (type(module), module.args, loaded), **self._waiting}
            await broker.remove(users[0], keep=True)

    def forget(self, name: str) -> None:
        """A module has been loaded or removed for its own sake: it is not waited for any more."""
        self._waiting.pop(name, None)

    async def bring_back(self) -> None:
        """Load those that waited for what has just been loaded; a failure is logged."""
        broker = self._broker
        for name, (cls, args, follows) in list(self._waiting.items()):
            if name not in self._waiting or not all(followed in broker.modules for followed in follows):
                continue
            try:
                await broker.load_class(cls, args, name)
            except Exception as exc:
                self.forget(name)
                broker.log(3, "broker", f"module {name} does not come back with what it follows: {exc}")
