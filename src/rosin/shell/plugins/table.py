# SPDX-License-Identifier: LGPL-3.0-or-later
"""The plugins that there are, and which of them a job needs: the others are not even imported.

A plugin is needed always, by something in the jobspec, by one of its options
(:mod:`rosin.shell.vocabulary`), or when a client first calls a method of its part of the shell's service.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from rosin.shell.vocabulary import owners

if TYPE_CHECKING:
    from rosin.shell.info import JobInfo
    from rosin.shell.plugins.api import Api, Plugin


class Row(NamedTuple):
    """``where`` is MODULE:CLASS below this package; ``needed`` None: as its options say; ``family`` are the
    methods NAME and NAME.* of the service; one with a ``family`` is rare, and a zygote does not load it."""

    where: str
    needed: Callable[[JobInfo], bool] | None = None
    family: str | None = None


def _always(info: JobInfo) -> bool:
    return True


def _attribute(name: str, info: JobInfo) -> bool:
    return bool(info.spec.system.get(name))


#: By name, in the order in which they are called.
PLUGINS: dict[str, Row] = {
    "unsupported": Row("unsupported:Unsupported"),
    "tmpdir": Row("tmpdir:Tmpdir", _always),
    "files": Row("files:Files", partial(_attribute, "files")),
    "rlimit": Row("rlimit:Rlimit"),
    "umask": Row("umask:Umask"),
    "input": Row("input:TaskInput", _always),
    "output": Row("output:TaskOutput", _always),
    "exception": Row("exception:ShellException", lambda info: info.size > 1),
    "doom": Row("doom:DoomPlugin", _always),
    "tasks-complete": Row("tasks_complete:TasksComplete", _always),
    "env-expand": Row("env_expand:EnvExpand"),
    "gpu-affinity": Row("affinity:GpuAffinity", _always),
    "cpu-affinity": Row("affinity:CpuAffinity", _always),
    "batch": Row("batch:Batch", lambda info: "batch" in info.spec.system),
    "signal": Row("expiration:ExpirationSignal"),
    "pmi": Row("pmi:Pmi", _always),
    "pty": Row("pty:Terminus", family="terminus"),
    "proctable": Row("proctable:Proctable", family="proctable"),
    "rexec": Row("rexec:ShellRexec", family="rexec"),
}


_OWNERS = owners()


def needed(info: JobInfo) -> list[str]:
    """The names of the plugins that a job needs from the start."""
    given = {_OWNERS[name] for name in info.spec.options if name in _OWNERS}
    return [
        name for name, row in PLUGINS.items() if (name in given if row.needed is None else row.needed(info))
    ]


@cache
def _class(where: str) -> type[Plugin]:
    module, _, name = where.partition(":")
    cls: type[Plugin] = getattr(import_module(f"{__package__}.{module}"), name)
    return cls


def load(shell: Api, name: str) -> None:
    """Make a plugin, and put it on the shell's stack. Raises ShellError for an option of a bad value."""
    shell.stack.push(_class(PLUGINS[name].where)(shell))


def load_all(shell: Api) -> None:
    """Load what the job needs, and let the service load what a client asks for."""
    names = needed(shell.info)
    for name in names:
        load(shell, name)
    for name, row in PLUGINS.items():
        if row.family is not None and name not in names:
            shell.service.families[row.family] = partial(load, shell, name)


def warm() -> None:
    """Import what jobs commonly need."""
    for row in PLUGINS.values():
        if row.family is None:
            _class(row.where)
