# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.brokermod: broker modules in Python, each in a process of its own.

``rosin module load ./FILE.py`` starts such a process (:mod:`flux.core.module`) for a file that is written
with this.
"""

from __future__ import annotations

import errno
import syslog
from typing import TYPE_CHECKING, Any, ClassVar

from rosin.constants import FLUX_MSGTYPE_EVENT, FLUX_MSGTYPE_REQUEST, FLUX_ROLE_OWNER, FLUX_ROLE_USER

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from flux.core.handle import Flux

__all__ = [
    "FLUX_MSGTYPE_EVENT",
    "FLUX_MSGTYPE_REQUEST",
    "BrokerLogger",
    "BrokerModule",
    "event_handler",
    "request_handler",
    "resolve_entry_point",
    "syslog",
]


class BrokerLogger:
    """Writes to the broker's log what is at least as severe as ``level``, a syslog priority or its name.

    ``log(level, text)`` writes at any, the methods at that of their names.
    """

    LEVEL_NAMES: ClassVar = {
        "emerg": syslog.LOG_EMERG,
        "alert": syslog.LOG_ALERT,
        "crit": syslog.LOG_CRIT,
        "err": syslog.LOG_ERR,
        "warning": syslog.LOG_WARNING,
        "notice": syslog.LOG_NOTICE,
        "info": syslog.LOG_INFO,
        "debug": syslog.LOG_DEBUG,
    }

    def __init__(self, h: Flux) -> None:
        self._handle = h
        self._level = syslog.LOG_DEBUG

    @property
    def level(self) -> int:
        """The least severe priority that is written, as a number. Raises ValueError when set to none."""
        return self._level

    @level.setter
    def level(self, value: int | str) -> None:
        try:
            self._level = self.LEVEL_NAMES[value.lower()] if isinstance(value, str) else int(value)
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"invalid log level {value!r}: use {', '.join(self.LEVEL_NAMES)}") from None

    @property
    def level_name(self) -> str:
        """The name of the level, or its number."""
        return {number: name for name, number in self.LEVEL_NAMES.items()}.get(self._level, str(self._level))

    def __call__(self, level: int, msg: str) -> None:
        if level <= self._level:
            module = self._handle.module
            self._handle.log(level, msg, None if module is None else module.name)

    def debug(self, msg: str) -> None:
        self(syslog.LOG_DEBUG, msg)

    def info(self, msg: str) -> None:
        self(syslog.LOG_INFO, msg)

    def notice(self, msg: str) -> None:
        self(syslog.LOG_NOTICE, msg)

    def warning(self, msg: str) -> None:
        self(syslog.LOG_WARNING, msg)

    def error(self, msg: str) -> None:
        self(syslog.LOG_ERR, msg)

    def critical(self, msg: str) -> None:
        self(syslog.LOG_CRIT, msg)

    def alert(self, msg: str) -> None:
        self(syslog.LOG_ALERT, msg)

    def emerg(self, msg: str) -> None:
        self(syslog.LOG_EMERG, msg)


def _marked(kind: int, topic: str, prefix: bool, rolemask: int) -> Callable[[Any], Any]:
    def mark(function: Any) -> Any:
        function._handles = (kind, topic, prefix, rolemask)
        return function

    return mark


def request_handler(topic: str, prefix: bool = True, allow_guest: bool = False) -> Callable[[Any], Any]:
    """Mark a method that is called with each request of a topic, behind the module's name with *prefix*."""
    roles = FLUX_ROLE_OWNER | FLUX_ROLE_USER if allow_guest else FLUX_ROLE_OWNER
    return _marked(FLUX_MSGTYPE_REQUEST, topic, prefix, roles)


def event_handler(topic: str, prefix: bool = True) -> Callable[[Any], Any]:
    """Mark a method that is called with each event of a topic, behind the module's name with *prefix*."""
    return _marked(FLUX_MSGTYPE_EVENT, topic, prefix, FLUX_ROLE_OWNER)


class BrokerModule:
    """A module: its marked methods are called with messages from :meth:`run` on.

    ``h`` is the handle of the module's process, ``args`` are the words that it was loaded with.
    """

    def __init__(self, h: Flux, *args: str) -> None:
        self._h = h
        self._args = args
        self._state = h.module
        self._failed = False
        self._watchers: list[Any] = []
        self.log = BrokerLogger(h)
        for name in dir(type(self)):
            marks = getattr(getattr(type(self), name), "_handles", None)
            if marks is not None:
                self._watch(getattr(self, name), *marks)

    def _watch(self, method: Callable[[Any], Any], kind: int, topic: str, prefix: bool, roles: int) -> None:
        topic = f"{self.name}.{topic}" if prefix else topic
        if kind == FLUX_MSGTYPE_EVENT:
            self._h.event_subscribe(topic)
        watcher = self._h.msg_watcher_create(
            lambda _handle, _type, msg, _arg: method(msg), kind, topic, rolemask=roles
        )
        self._watchers.append(watcher.start())

    @property
    def handle(self) -> Flux:
        """The handle."""
        return self._h

    @property
    def name(self) -> str:
        """The name under which the module is loaded."""
        return "unknown" if self._state is None else self._state.name

    @property
    def args(self) -> tuple[str, ...]:
        """The words that it was loaded with."""
        return self._args

    def set_running(self) -> None:
        """Let ``module load`` return; :meth:`run` does it otherwise."""
        if self._state is not None:
            self._state.set_running()

    def debug_test(self, flag: int, clear: bool = False) -> bool:
        """Whether a bit is set by ``module debug``; with *clear* it is not any more."""
        return self._state is not None and self._state.debug_test(flag, clear)

    def stop(self) -> None:
        """Make :meth:`run` return."""
        self._h.reactor_stop()

    def stop_error(self) -> None:
        """Make :meth:`run` raise OSError."""
        self._failed = True
        self._h.reactor_stop_error()

    def run(self) -> None:
        """Handle messages until the module is to stop. Raises OSError when it stopped for an error."""
        self.set_running()
        if self._h.reactor_run() < 0 or self._failed:
            raise OSError(errno.EIO, "the reactor was stopped for an error")


def resolve_entry_point(mod: ModuleType) -> Callable[..., Any]:
    """The ``mod_main`` of a Python file, or what runs its only BrokerModule. Raises ValueError."""
    entry = getattr(mod, "mod_main", None)
    if entry is not None:
        return entry  # type: ignore[no-any-return]
    found = [
        value
        for value in vars(mod).values()
        if isinstance(value, type) and issubclass(value, BrokerModule) and value is not BrokerModule
    ]
    if len(found) != 1:
        names = ", ".join(cls.__name__ for cls in found) or "none"
        raise ValueError(f"expected mod_main() or one BrokerModule class, found {names}")
    return lambda h, *args: found[0](h, *args).run()
