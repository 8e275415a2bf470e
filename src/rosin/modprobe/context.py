# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a task of ``rc1`` or ``rc3`` sees: the broker, its settings, and data that tasks share."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from rosin.handle.flux import Flux

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.handle.rpc import RPC


def say(*words: object) -> None:
    """Tell who follows what is done."""
    sys.stdout.flush()
    sys.stderr.write(" ".join(map(str, words)) + "\n")  # in one piece: other threads do the same
    sys.stderr.flush()


class RcPlan(Protocol):
    """What is going to be done, and a task may add to."""

    def activate_modules(self, modules: Iterable[str]) -> None: ...

    def set_remove(self, modules: Iterable[str] | None = None) -> None: ...

    def set_alternative(self, name: str, alternative: str) -> None: ...

    def enable(self, name: str) -> None: ...


class RcContext:
    """Given to each task, and to ``setup`` of each file. Tasks run in several threads at the same time."""

    def __init__(self, modprobe: RcPlan, verbose: bool = False, dry_run: bool = False) -> None:
        self.verbose = verbose
        self.dry_run = dry_run
        self.modprobe = modprobe
        self._data: dict[Any, Any] = {}
        self._options: defaultdict[str, list[str]] = defaultdict(list)
        self._overwritten: set[str] = set()
        self._environment: dict[str, str | None] = {}  # of the broker
        self._mine = threading.local()
        self._handles: list[Flux] = []

    def print(self, *words: object) -> None:
        """Print to standard error if modprobe is to be verbose."""
        if self.verbose:
            say(*words)

    @property
    def handle(self) -> Flux:
        """This thread's handle."""
        h: Flux | None = getattr(self._mine, "handle", None)
        if h is None:
            h = self._mine.handle = Flux()
            self._handles.append(h)
        return h

    def close(self) -> None:
        """Close the handles of all threads; those must be over."""
        for h in self._handles:
            h.close()
        self._handles.clear()
        self._mine = threading.local()

    @property
    def rank(self) -> int:
        """The broker's rank."""
        return int(self.handle.attr_get("rank"))

    def set(self, key: Any, value: Any) -> None:
        """Keep data for other tasks."""
        self._data[key] = value

    def get(self, key: Any, default: Any = None) -> Any:
        """Data that another task has kept."""
        return self._data.get(key, default)

    def attr_get(self, attr: str, default: str | None = None) -> str | None:
        """A broker attribute, or ``default`` if it is not set."""
        try:
            return self.handle.attr_get(attr)
        except FileNotFoundError:
            return default

    def conf_get(self, key: str, default: Any = None) -> Any:
        """A value of the broker's configuration by its dotted key, or ``default`` if it is not set."""
        return self.handle.conf_get(key, default)

    def getenv(self, var: str, default: str | None = None) -> str | None:
        """A variable of this process, else of the broker, which does not pass all of its own on."""
        if var in os.environ:
            return os.environ[var]
        if var not in self._environment:
            answer = self.rpc("broker.getenv", {"names": [var]}).get()
            self._environment[var] = answer["env"].get(var)
        value = self._environment[var]
        return default if value is None else value

    def setenv(self, name_or_env: str | Mapping[str, str | None], value: str | None = None) -> None:
        """Set variables of this process and the broker, or unset them (None). Raises ValueError, OSError."""
        changes = {name_or_env: value} if isinstance(name_or_env, str) else dict(name_or_env)
        for name, text in changes.items():
            if text is not None and not isinstance(text, str):
                raise ValueError(f"{name}: value must be a string or None")
        self.rpc("broker.setenv", {"env": changes}).get()
        for name, text in changes.items():
            self._environment[name] = text
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text

    def rpc(self, topic: str, *args: Any, **kwargs: Any) -> RPC:
        """Send a request with this thread's handle."""
        return self.handle.rpc(topic, *args, **kwargs)

    def setopt(self, module: str, options: str, overwrite: bool = False) -> None:
        """Add arguments, separated by blanks. ``overwrite``: those of the files do not count."""
        if overwrite:
            self._overwritten.add(module)
        self._options[module] += options.split()

    def getopts(
        self, name: str, default: Iterable[str] | None = None, also: Iterable[str] | None = None
    ) -> list[str]:
        """The arguments of a module: ``default``, those added for it, and for the services ``also``."""
        found = [] if default is None or name in self._overwritten else list(default)
        for key in (name, *(also or ())):
            found += self._options.get(key, ())
        return found

    def bash(self, command: str) -> None:
        """Run a command with bash. Raises RuntimeError if it fails."""
        code = subprocess.run(["bash", "-c", command], check=False).returncode
        if code:
            how = f"exited with exit status {code}" if code > 0 else f"died by signal {-code}"
            raise RuntimeError(f"bash: {how}")

    def load_modules(self, modules: Iterable[str]) -> None:
        """Have modules loaded, with what they require. Raises ValueError."""
        self.modprobe.activate_modules(modules)

    def remove_modules(self, modules: Iterable[str] | None = None) -> None:
        """Have modules removed; without a list, all that are loaded. Raises ValueError."""
        self.modprobe.set_remove(modules)

    def set_alternative(self, name: str, alternative: str) -> None:
        """Choose who provides a service. Raises ValueError."""
        self.modprobe.set_alternative(name, alternative)

    def enable(self, name: str) -> None:
        """Enable a module, service or task, whatever its conditions say. Raises ValueError."""
        self.modprobe.enable(name)
