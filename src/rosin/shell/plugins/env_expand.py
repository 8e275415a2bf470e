# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``env-expand`` option: variables whose values are templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.shell.plugins.api import ShellPlugin

if TYPE_CHECKING:
    from rosin.shell.task import Task


class EnvExpand(ShellPlugin):
    """Those that do not depend on the task are for everything that runs in the job."""

    name = "env-expand"

    def _templates(self) -> dict[str, str]:
        return {name: str(text) for name, text in self.shell.info.options.object("env-expand").items()}

    def shell_post_init(self) -> None:
        for name, template in self._templates().items():
            value = self.shell.info.render(template)
            if "{{" not in value:
                self.shell.environment[name] = value

    def task_init(self, task: Task) -> None:
        for name, template in self._templates().items():
            task.env[name] = self.shell.info.render(template, (task.rank, task.localid))
