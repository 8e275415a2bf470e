# SPDX-License-Identifier: LGPL-3.0-or-later
"""Former names of modules that have moved into a package: what was ``hostlist_text`` is ``hostlist.text``.

They can be imported as before, with a DeprecationWarning that names the new place.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: Those whose former name was another one than ``PACKAGE_PART``.
_OTHERS = {
    "queue_policy": "queues.policy",
    "resource_replay": "resource_events.replay",
    "state_table": "states.table",
}


def place(name: str) -> str:
    """Where the module ``rosin.rfc.NAME`` is now; "" if none has moved from there."""
    from importlib import util

    package, _, part = name.partition("_")
    now = _OTHERS.get(name) or (f"{package}.{part}" if part else "")
    try:
        return now if now and util.find_spec(f"rosin.rfc.{now}") else ""
    except ModuleNotFoundError:  # there is no such package
        return ""


def spec(fullname: str) -> ModuleSpec | None:
    """The spec of ``rosin.rfc.NAME``, None if no module of that name has moved."""
    parent, _, name = fullname.rpartition(".")
    now = place(name)
    if not now:
        return None
    from importlib.machinery import ModuleSpec

    return ModuleSpec(fullname, _Alias(f"{parent}.{now}"))  # type: ignore[arg-type]  # a loader by its methods


class _Alias:
    """A loader whose module is one that has another name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        import warnings
        from importlib import import_module

        warnings.warn(f"{spec.name} is {self._name} now", DeprecationWarning, stacklevel=2)
        module = import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put that of the alias there
