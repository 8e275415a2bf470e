# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[ingest.frobnicator]``, ``[policy]`` and ``[queues]``: what becomes of a jobspec before it is checked.

What comes with Rosin (RFC 33) is added in this process; plugins in files have processes of their own.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

from rosin.broker.settings import Table
from rosin.errors import FormatError
from rosin.job.plugin_file import is_file, plugin_name
from rosin.modules.job_ingest.access import Access
from rosin.modules.job_ingest.crew import CrewSettings
from rosin.rfc.queues import QueueConfig
from rosin.rfc.queues.additions import ADDITIONS, Additions


class Frobnicators(NamedTuple):
    """The plugins that change jobs: ``stages`` are Additions, or processes for one or more files."""

    stages: tuple[Additions | CrewSettings, ...]

    @property
    def apart(self) -> bool:
        """Whether some of them are in processes."""
        return any(isinstance(stage, CrewSettings) for stage in self.stages)

    @classmethod
    def parse(cls, config: dict[str, Any], queues: QueueConfig) -> Frobnicators:
        """Read them. Raises FormatError for what cannot be done."""
        place = "ingest.frobnicator"
        plugins: list[Any] = Table(config, place).get("plugins", list, [])
        files = [name for name in plugins if isinstance(name, str) and is_file(name)]
        table = Table(config, place, ("disable", "plugins", "args", "timeout", *map(plugin_name, files)))
        for name in plugins:
            if name not in ADDITIONS and name not in files:
                known = ", ".join(ADDITIONS)
                text = f"{name!r} is not known (known: {known}, and Python files, such as ./site.py)"
                raise FormatError(f"{place}.plugins: {text}")
        args = table.get("args", list, [])
        for arg in args:
            if not files or not isinstance(arg, str):
                text = "is for plugins in files, of which there is none; remove it"
                raise FormatError(f"{place}.args: {arg!r}: {text}" if not files else f"{place}.args: {arg!r}")
        if table.get("disable", bool, False):
            return cls(())
        stages: list[Additions | CrewSettings] = []
        for apart, names in groupby(plugins or ADDITIONS, is_file):
            if apart:
                stages.append(CrewSettings.parse(table, tuple(names), tuple(args)))
            else:
                stages.append(Additions(queues, tuple(names)))
        return cls(tuple(stages))


class PolicyDefaults:
    """The policy of a configuration: what is added to jobs. Raises FormatError when it is wrong."""

    __slots__ = ("_access", "_default", "frobnicators")

    def __init__(self, config: dict[str, Any]) -> None:
        queues = QueueConfig(config)
        self.frobnicators = Frobnicators.parse(config, queues)
        self._access = Access(queues)
        self._default = queues.default

    @property
    def adds(self) -> bool:
        """Whether there is anything to add to any jobspec."""
        return any(self.frobnicators.stages)

    def check_access(self, jobspec: dict[str, Any], userid: int) -> None:
        """Raise OSError EACCES unless the user may submit to the queue of the job."""
        system = (jobspec.get("attributes") or {}).get("system") or {}
        queue = system.get("queue", self._default)
        self._access.check(queue if isinstance(queue, str) else None, userid)

    def apply(self, jobspec: dict[str, Any]) -> dict[str, Any]:
        """*jobspec* with what comes with Rosin, itself when nothing was open."""
        for stage in self.frobnicators.stages:
            if isinstance(stage, Additions):
                jobspec = stage.apply(jobspec)
        return jobspec
