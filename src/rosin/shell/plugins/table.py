# SPDX-License-Identifier: LGPL-3.0-or-later
"""The plugins that there are, and which of them a job needs: the others are not even imported.

A plugin is needed always, by something in the jobspec, by one of its options
(:mod:`rosin.shell.vocabulary`), or when a client first calls a method of its part of the shell's service.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from rosin.shell.vocabulary import owners

if TYPE_CHECKING:
    from rosin.shell.info import ShellInfo
    from rosin.shell.plugins.api import Api, ShellPlugin


#: Where the only control groups are that count memory in the way that is read here.
_UNIFIED = "/sys/fs/cgroup/cgroup.controllers"


class Row(NamedTuple):
    """``where`` is MODULE:CLASS below this package. It is needed ``always``, or ``when`` that is true, or
    else as its options say. ``family`` are the methods NAME and NAME.* of the service. A plugin with one is
    ``rare``, as others are: a zygote does not load it."""

    where: str
    always: bool = False
    when: Callable[[ShellInfo], bool] | None = None
    family: str | None = None
    rare: bool = False


def _counts_memory(info: ShellInfo) -> bool:
    """Whether there may be something to say of memory. Asked for each job: it must cost little."""
    return info.options.get("oom") is not None or os.path.exists(_UNIFIED)


#: By name, in the order in which they are called.
PLUGINS: dict[str, Row] = {
    "unsupported": Row("unsupported:UnsupportedOptions"),
    "tmpdir": Row("tmpdir:Tmpdir", always=True),
    "files": Row("files:Files", when=lambda info: bool(info.spec.system.get("files"))),
    "stage-in": Row("stage_in:StageIn", rare=True),
    "rlimit": Row("rlimit:Rlimit"),
    "umask": Row("umask:Umask"),
    "input": Row("input:TaskInput", always=True),
    "output": Row("output:TaskOutput", always=True),
    "exception": Row("exception:ShellException", when=lambda info: info.size > 1),
    "doom": Row("doom:DoomPlugin", always=True),
    "tasks-complete": Row("tasks_complete:TasksComplete", always=True),
    "env-expand": Row("env_expand:EnvExpand"),
    "gpu-affinity": Row("affinity:GpuAffinity", always=True),
    "cpu-affinity": Row("affinity:CpuAffinity", always=True),
    "hwloc": Row("hwloc:Hwloc", rare=True),
    "oom": Row("oom:Oom", when=_counts_memory),
    "sysmon": Row("sysmon:Sysmon", rare=True),
    "coprocess": Row("coprocess:Coprocess", rare=True),
    "batch": Row("batch:Batch", when=lambda info: "batch" in info.spec.system),
    "signal": Row("expiration:ExpirationSignal"),
    "pmi": Row("pmi:Pmi", always=True),
    "pty": Row("pty:Terminus", family="terminus"),
    "proctable": Row("proctable:Proctable", family="proctable"),
    "rexec": Row("rexec:ShellRexec", family="rexec"),
}


_OWNERS = owners()
_FAMILIES = [(name, row.family) for name, row in PLUGINS.items() if row.family is not None]


def needed(info: ShellInfo) -> list[str]:
    """The names of the plugins that a job needs from the start."""
    given = {_OWNERS[name] for name in info.spec.options if name in _OWNERS}
    return [
        name
        for name, row in PLUGINS.items()
        if row.always or (row.when(info) if row.when is not None else name in given)
    ]


@cache
def _class(name: str) -> type[ShellPlugin]:
    module, _, member = PLUGINS[name].where.partition(":")
    cls: type[ShellPlugin] = getattr(import_module(f"{__package__}.{module}"), member)
    return cls


def load(shell: Api, name: str) -> None:
    """Make a plugin, and put it on the shell's stack. Raises ShellError for an option of a bad value."""
    shell.stack.push(_class(name)(shell))


def load_all(shell: Api) -> None:
    """Load what the job needs, and let the service load what a client asks for."""
    names = needed(shell.info)
    for name in names:
        load(shell, name)
    for name, family in _FAMILIES:
        if name not in names:
            shell.service.families[family] = partial(load, shell, name)


def warm() -> None:
    """Import what jobs commonly need."""
    for name, row in PLUGINS.items():
        if row.family is None and not row.rare:
            _class(name)
