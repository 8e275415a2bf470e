# SPDX-License-Identifier: LGPL-3.0-or-later
"""Finding a module's class by name, by ``package.module:Class`` or in a Python file; functions likewise."""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from rosin.broker.module import BrokerModule

T = TypeVar("T")

_FLUX = re.compile(rb"^(?:from|import) +flux\.(?:brokermod|scheduler)\b|^def mod_main\(", re.MULTILINE)

#: The modules that come with Rosin.
MODULES = {
    "barrier": "rosin.modules.barrier.module:Barrier",
    "content": "rosin.modules.content.module:Content",
    "content-files": "rosin.modules.content_files.module:ContentFiles",
    "content-sqlite": "rosin.modules.content_sqlite.module:ContentSqlite",
    "cron": "rosin.modules.cron.module:Cron",
    "groups": "rosin.modules.groups.module:Groups",
    "heartbeat": "rosin.modules.heartbeat.module:Heartbeat",
    "job-exec": "rosin.modules.job_exec.module:JobExec",
    "job-info": "rosin.modules.job_info.module:JobInfoModule",
    "job-ingest": "rosin.modules.job_ingest.module:JobIngest",
    "job-list": "rosin.modules.job_list.module:JobListModule",
    "job-manager": "rosin.modules.job_manager.module:JobManager",
    "kvs": "rosin.modules.kvs.module:Kvs",
    "kvs-watch": "rosin.modules.kvs_watch.module:KvsWatch",
    "resource": "rosin.modules.resource.module:Resource",
    "rexec": "rosin.modules.rexec.module:Rexec",
    "sched-backfill": "rosin.modules.sched.simple:SchedBackfill",
    "sched-fifo": "rosin.modules.sched.simple:SchedFifo",
    "sched-simple": "rosin.modules.sched.simple:SchedSimple",
}


def find(path: str) -> type[BrokerModule]:
    """The class to load. Raises FileNotFoundError (ENOENT) or OSError (EINVAL) that says what is wrong."""
    if path in MODULES:
        path = MODULES[path]
    if ":" in path:
        module_name, _, class_name = path.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as exc:
            raise OSError(errno.ENOENT, f"module not found: {exc}") from None
        cls = getattr(module, class_name, None)
        if cls is None:
            raise OSError(errno.ENOENT, f"module not found: {module_name} has no class {class_name}")
        return cls  # type: ignore[no-any-return]
    if path.endswith(".py"):
        if not os.path.exists(path):
            raise OSError(errno.ENOENT, f"module not found: {path}")
        return class_in_file(path, BrokerModule)
    raise OSError(errno.ENOENT, f"module not found in search path: {path}")


def written_for_flux(path: str) -> bool:
    """Whether a Python file is a module by flux-core's interface, which runs in a process of its own."""
    if not path.endswith(".py"):
        return False
    try:
        with open(path, "rb") as file:
            return _FLUX.search(file.read()) is not None
    except OSError:
        return False  # whoever loads it says so


def find_function(path: str, name: str) -> Callable[..., Any]:
    """``package.module:function``, or the function *name* of a Python file.

    Raises OSError that says what is wrong: ENOENT, or EINVAL for a file that fails.
    """
    if ":" in path:
        package, _, name = path.partition(":")
        try:
            module = importlib.import_module(package)
        except ImportError as exc:
            raise OSError(errno.ENOENT, f"{path}: {one_line(exc)}") from None
    elif os.path.isfile(path):
        module = _load_file(path)
    else:
        raise OSError(errno.ENOENT, f"{path}: No such file or directory")
    function = getattr(module, name, None)
    if not callable(function):
        raise OSError(errno.ENOENT, f"{path}: no function {name}")
    return function  # type: ignore[no-any-return]


def class_in_file(path: str, base: type[T]) -> type[T]:
    """The only subclass of *base* in the Python file *path*, named after the file if it has no name.

    Raises OSError EINVAL, one line that says what is wrong with the file.
    """
    module = _load_file(path)
    classes = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, base) and cls.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise OSError(errno.EINVAL, f"{path}: expected one {base.__name__} class, found {len(classes)}")
    cls: Any = classes[0]
    if not cls.name:
        cls.name = os.path.basename(path)[:-3]
    return cls  # type: ignore[no-any-return]


def _load_file(path: str) -> ModuleType:
    name = "rosin_module_" + os.path.basename(path)[:-3].replace("-", "_")
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # where dataclasses look their annotations up
    try:
        with open(path, "rb") as file:  # no import, which takes a file that has just changed for what it was
            exec(compile(file.read(), path, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as exc:
        del sys.modules[name]
        raise OSError(errno.EINVAL, f"{path}: {one_line(exc)}") from None
    return module


def one_line(exc: BaseException) -> str:
    """What an exception of somebody else's code says, in a line."""
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}"
