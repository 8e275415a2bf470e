# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is configured, what is wanted, and the threads that do it."""

from __future__ import annotations

import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from rosin.broker import rctable
from rosin.broker.rcplan import solve
from rosin.broker.rcplan.plan import configure, update
from rosin.broker.rcplan.table import TaskTable
from rosin.broker.rcplan.tasks import CodeTask, Module, RcTask
from rosin.modprobe.context import RcContext, say
from rosin.modprobe.files import RcFiles, disabled, read_modules, read_tasks
from rosin.modprobe.places import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future

#: Tasks that run at the same time at most: each thread has a connection to the broker.
_THREADS = 8


class Modprobe:
    """Loads and removes modules and runs tasks in the broker that FLUX_URI names. Raises OSError."""

    def __init__(self, timing: bool = False, verbose: bool = False, dry_run: bool = False) -> None:
        self.exitcode = 0
        self.timing: list[dict[str, Any]] | None = [] if timing else None
        self.context = RcContext(self, verbose=verbose, dry_run=dry_run)
        self.table = TaskTable(self.context)
        self.files = RcFiles(places(self.handle), self.print)
        self._began = time.time()
        self._active: dict[str, None] = {}
        self._added: list[str] = []  # modules that the broker's configuration adds

    def __enter__(self) -> Modprobe:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.context.close()

    @property
    def handle(self) -> Any:
        """The handle of the calling thread."""
        return self.context.handle

    @property
    def rank(self) -> int:
        """The broker's rank."""
        return self.context.rank

    @property
    def timestamp(self) -> float:
        """Seconds since this was made."""
        return time.time() - self._began

    @property
    def active_tasks(self) -> list[str]:
        """The tasks that are to run and are enabled."""
        return [name for name in self._active if self.table.resolve(name) is not None]

    def print(self, *words: object) -> None:
        """Print if it is to be verbose."""
        self.context.print(*words)

    def add_timing(self, name: str, starttime: float, end: float | None = None) -> None:
        """Note how long something has taken, if that is wanted; both are like :attr:`timestamp`."""
        if self.timing is not None:
            duration = (self.timestamp if end is None else end) - starttime
            self.timing.append({"name": name, "starttime": starttime, "duration": duration})

    # -- what there is --------------------------------------------------------------------------------

    def configure_modules(self) -> Modprobe:
        """Read the files about modules, the broker's table ``modules``, and what the environment disables.

        Raises OSError, and ValueError that names the file and the key.
        """
        for path in self.files.modules():
            self.print(f"loading {path}")
            self.add_modules(path)
        given = self.context.conf_get("modules", {})
        there = rctable.always()  # whatever rc1 does
        self._added = configure(self.table, {name: given[name] for name in given if name not in there})
        return self

    def disable(self, *names: str) -> None:
        """Disable modules, services or tasks, and those that the environment names. Raises ValueError."""
        for name in (*disabled(), *names):
            self.table.disable(name)

    def add_modules(self, path: str) -> None:
        """Read one of the files. Raises OSError, and ValueError that names it."""
        for name, entry in read_modules(path).items():
            try:
                if name == "modules":
                    self._add(entry)
                elif name == "alternatives":
                    self._choose(entry)
                else:
                    update(self.table, name, entry)
            except ValueError as exc:
                where = "invalid modules entry: " if name == "modules" else ""
                raise ValueError(f"{path}: {where}{exc}") from None

    def _add(self, entries: Any) -> None:
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("expected an array of tables, [[modules]]")
        for entry in entries:
            task = Module(entry)
            if task.name in self.table:
                update(self.table, task.name, entry)
            else:
                self.table.add(task)

    def _choose(self, entry: Mapping[str, str]) -> None:
        for service, name in entry.items():
            self.set_alternative(service, name)

    def set_alternative(self, name: str, alternative: str) -> None:
        """Choose who provides a service. Raises ValueError."""
        self.table.set_alternative(name, alternative)

    def enable(self, name: str) -> None:
        """Enable a module, service or task, whatever its conditions say. Raises ValueError."""
        self.table.enable(name)

    def read_rcfile(self, name: str) -> None:
        """Read a Python file, or those of ``rc1`` or ``rc3``: their tasks become active, ``setup`` is called.

        Raises OSError, and ValueError that names the file.
        """
        for path in [name] if name.endswith(".py") else self.files.tasks(name):
            self.print(f"loading {path}")
            module = read_tasks(path)
            for value in vars(module).values():
                if isinstance(value, CodeTask):
                    self.add_active_task(value)
            setup = getattr(module, "setup", None)
            if callable(setup):
                setup(self.context)
        if name == "rc1":
            self.activate_modules(self._added)

    def add_active_task(self, task: RcTask) -> None:
        """Add a task that is to run."""
        self.table.add(task)
        self._active[task.name] = None

    def activate_modules(self, modules: Iterable[str]) -> None:
        """Have modules loaded, with what they require. Raises ValueError."""
        for name in modules:
            task = self.table.get(name)
            if not isinstance(task, Module):
                raise ValueError(f"{name} is not a module")
            self._active.update(dict.fromkeys([name, *task.requires]))

    # -- what is done ---------------------------------------------------------------------------------

    def solve(self, names: Iterable[str]) -> list[str]:
        """Tasks with those that they require. Raises ValueError."""
        began = self.timestamp
        found = solve.required(self.table, names)
        self.add_timing("solve", began)
        return found

    def get_deps(self, names: Iterable[str]) -> dict[str, list[str]]:
        """For each task those that go before it."""
        began = self.timestamp
        before = solve.order(self.table, names)
        self.add_timing("deps", began)
        return before

    def load(self, modules: Iterable[str]) -> None:
        """Load modules with what they require. Raises FileExistsError if all are loaded, and ValueError."""
        loaded = self._loaded()
        needed = [
            name for name in solve.required(self.table, modules, always=True) if name not in loaded.values()
        ]
        if not needed:
            raise FileExistsError(17, "All modules and dependencies are already loaded")
        self._prefer(needed)
        self.run(self.get_deps(needed))

    def remove(self, modules: Iterable[str]) -> None:
        """Remove modules, or ``all``, and what they alone required. Raises ValueError."""
        wanted, loaded = list(modules), self._loaded()
        configured = [name for name in dict.fromkeys(loaded.values()) if name in self.table]
        self._prefer(configured)
        if "all" in wanted:
            wanted = configured
        for name in wanted:
            if name not in loaded:
                raise ValueError(f"module {name} is not loaded")
            if name not in self.table:
                raise ValueError(f"no such task or module {name}")
        needs = solve.requirements(self.table, configured)
        going = solve.removable(needs, [loaded[name] for name in wanted])
        self._set_remove(going)
        self.run(self.get_deps(going))

    def set_remove(self, modules: Iterable[str] | None = None) -> None:
        """Have modules removed; without a list, all that are loaded. Raises ValueError."""
        if modules is None:
            modules = [name for name in dict.fromkeys(self._loaded().values()) if name in self.table]
        names = list(modules)
        self._prefer(names)
        self._set_remove(names)
        self._active.update(dict.fromkeys(names))

    def _set_remove(self, names: Iterable[str]) -> None:
        for name in names:
            task = self.table.get(name)
            if isinstance(task, Module):
                task.set_remove()

    def _prefer(self, names: Iterable[str]) -> None:
        """What is there, or is asked for by its name, provides its services."""
        for name in names:
            if name in self.table:
                for service in self.table.get(name).provides:
                    self.set_alternative(service, self.table.get(name).name)

    def _loaded(self) -> dict[str, str]:
        """The loaded modules, by their names and by those of their services."""
        found: dict[str, str] = {}
        mods = self.handle.rpc("module.list").get()["mods"]
        for mod in mods:
            found.update(dict.fromkeys(mod["services"], mod["name"]))
        found.update({mod["name"]: mod["name"] for mod in mods})
        return found

    def run(self, deps: Mapping[str, Iterable[str]]) -> int:
        """Run tasks, each after those before it; after a failure no more. Returns the exit code.

        Raises ValueError if they wait for each other.
        """
        began = self.timestamp
        sorter = solve.sorter(deps)
        self.add_timing("prepare", began)
        started: list[RcTask] = []
        with ThreadPoolExecutor(1 if self.context.dry_run else _THREADS) as executor:
            running: dict[Future[None], RcTask] = {}
            while sorter.is_active():
                for name in sorter.get_ready():
                    if self.exitcode:
                        sorter.done(name)
                    else:
                        task = self.table.get(name)
                        running[executor.submit(self._run, task)] = task
                        started.append(task)
                for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                    task = running.pop(future)
                    self._ended(task, future.exception())
                    sorter.done(task.name)
        for task in started:
            if task.starttime is not None and task.endtime is not None:
                self.add_timing(task.name, task.starttime - self._began, task.endtime - self._began)
        return self.exitcode

    def _run(self, task: RcTask) -> None:
        if self.exitcode:
            return  # another has failed while this one waited for a thread
        task.starttime = time.time()
        try:
            if self.context.dry_run:
                sys.stdout.write(f"{task.describe(self.context)}\n")  # in one piece: others do the same
                sys.stdout.flush()
            else:
                task.run(self.context)
        finally:
            task.endtime = time.time()

    def _ended(self, task: RcTask, exc: BaseException | None) -> None:
        if exc is None:
            return
        expected = isinstance(exc, (OSError, ValueError, RuntimeError))
        say(f"{task.name}: {getattr(exc, 'strerror', None) or exc if expected else repr(exc)}")
        self.exitcode = 1
