# SPDX-License-Identifier: LGPL-3.0-or-later
"""Putting a plugin on the stack, by the name of one that comes with the manager or from a Python file."""

from __future__ import annotations

import errno
import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from rosin.broker.loader import class_in_file, one_line
from rosin.constants import FLUX_JOB_STATE_DEPEND
from rosin.errors import FormatError
from rosin.modules.job_manager.plugins.api import Plugin, Reject
from rosin.modules.job_manager.plugins.builtin import BUILTIN, LOADABLE, find_builtin
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.modules.job_manager.plugins.stack import Stack

_ALL = "all"
_TEXT = (str, type(None))


def load(stack: Stack, path: str, conf: Any = None) -> None:
    """Load the plugin *path* with the settings *conf* and tell it of all active jobs.

    Raises OSError, one line that says what is wrong: ENOENT, EEXIST, EINVAL.
    """
    if not (conf is None or isinstance(conf, dict)):
        raise OSError(errno.EINVAL, "jobtap: plugin conf must be a JSON object")
    plugin = _make(stack, path, conf or {})
    _start(stack, plugin)
    jobs = sorted(stack.manager.active.values(), key=lambda job: job.id)
    for job in jobs:
        stack.tell_one(plugin, "job.create", job)
        stack.tell_one(plugin, "job.new", job)
    for job in jobs:
        if job.state == FLUX_JOB_STATE_DEPEND:
            stack.tell_dependencies(plugin, job)
            stack.tell_one(plugin, "job.state.depend", job)
    stack.manager.reprioritize_all()


def load_builtins(stack: Stack) -> None:
    """Load all that come with the manager, which has no jobs and no configuration yet."""
    for cls in BUILTIN.values():
        _start(stack, cls(stack.manager, {}))


def remove(stack: Stack, name: str) -> None:
    """Remove the plugins that *name*, which may be a glob pattern, names. Raises OSError ENOENT.

    A leading dot is matched by itself only; ``all`` are those that were loaded.
    """
    pattern = "*" if name == _ALL else name
    found = [plugin for plugin in stack.plugins if _matches(plugin.name, pattern)]
    if not found and name != _ALL:
        raise OSError(errno.ENOENT, "Failed to find plugin to remove")
    for plugin in found:
        stack.discard(plugin)


def configure(stack: Stack, entries: list[Any]) -> None:
    """Do what the entries of ``job-manager.plugins`` say. Raises OSError, which names the entry."""
    for number, entry in enumerate(entries):
        try:
            change(stack, entry)
        except FormatError as error:
            raise OSError(errno.EINVAL, f"job-manager.plugins[{number}]: {error}") from None
        except OSError as error:
            raise OSError(error.errno, f"job-manager.plugins[{number}]: {error.strerror}") from None
    if "job-manager" not in stack.config or any(plugin.name == "perilog.so" for plugin in stack.plugins):
        return
    from rosin.modules.job_manager.plugins.perilog_settings import is_configured

    if is_configured(stack.config):
        stack.manager.port.log.warning(
            "job-manager: a prolog or an epilog is configured, but perilog.so, which runs it, is not loaded:"
            ' set job-manager.plugins = [{load = "perilog.so"}]'
        )


def change(stack: Stack, wanted: Any) -> None:
    """Remove, then load: ``{remove?, load?, conf?}``. Raises FormatError, OSError."""
    name, path = field(wanted, "remove", _TEXT, None), field(wanted, "load", _TEXT, None)
    if name is not None:
        remove(stack, name)
    if path is not None:
        load(stack, path, wanted.get("conf"))


def _matches(name: str, pattern: str) -> bool:
    hidden = name.startswith(".") and not pattern.startswith(".")
    return name == pattern or (not hidden and fnmatchcase(name, pattern))


def _make(stack: Stack, path: str, conf: dict[str, Any]) -> Plugin:
    """The plugin *path*, not yet started."""
    known = find_builtin(path)
    name = known.name if known is not None else os.path.basename(path)
    if any(plugin.name == name for plugin in stack.plugins):
        raise OSError(errno.EEXIST, f"{name} already loaded")
    if known is not None:
        return known(stack.manager, conf)
    if not os.path.isfile(path):
        hint = "" if "/" in path else "; a file is named with a slash, as in ./plugin.py"
        raise OSError(errno.ENOENT, f"{path}: No such plugin found{hint}")
    if not path.endswith(".py"):
        raise OSError(
            errno.EINVAL,
            f"{path}: a plugin is a Python file (NAME.py), or one of {', '.join(LOADABLE)}; it is no library",
        )
    cls = class_in_file(path, Plugin)
    cls.name = name
    return cls(stack.manager, conf, path)


def _start(stack: Stack, plugin: Plugin) -> None:
    """Start *plugin* and put it on the stack. Raises OSError EINVAL, and leaves nothing of it."""
    try:
        plugin.start()
        stack.add(plugin)
    except Exception as error:
        stack.guard(plugin, "stop", plugin.release)
        code = error.errno if isinstance(error, OSError) else None
        raise OSError(code or errno.EINVAL, f"{plugin.name}: {_text(error)}") from None


def _text(error: Exception) -> str:
    if isinstance(error, Reject | FormatError):
        return str(error.strerror) if isinstance(error, Reject) else str(error)
    return one_line(error)
