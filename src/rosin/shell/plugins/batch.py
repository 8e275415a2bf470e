# SPDX-License-Identifier: LGPL-3.0-or-later
"""A batch job: ``attributes.system.batch`` has the script, which the first task of an instance runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.shell.task import Task


class Batch(ShellPlugin):
    """Writes the script, and makes the tasks an instance."""

    name = "batch"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._batch = shell.info.spec.system["batch"]
        self._script: str | None = None

    def shell_post_init(self) -> None:
        info = self.shell.info
        if info.tmpdir is not None:
            self._script = write_script(self._batch, info.tmpdir, info.rank)

    def task_init(self, task: Task) -> None:
        if self._script is not None:
            task.argv = batch_command(task.argv, self._batch, task.rank, self._script)


def write_script(batch: Any, tmpdir: str, shell_rank: int) -> str:
    """Path of the batch script in ``tmpdir``; the leader writes it, from ``attributes.system.batch``."""
    script = batch.get("script") if isinstance(batch, dict) else None
    if not isinstance(script, str):
        raise ShellError("failed to unpack batch info: script is not a string")
    path = os.path.join(tmpdir, "script")
    if shell_rank != 0:
        return path
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o700)
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write(script)
    except OSError as error:
        raise ShellError(f"{path}: {error.strerror}") from None
    return path


def batch_command(argv: list[str], batch: dict[str, Any], rank: int, script: str) -> list[str]:
    """The command of a batch job's task: an instance whose initial program on rank 0 is the script.

    A command that starts an instance by itself (the usual form) is left alone."""
    program = argv[0].rpartition("/")[2]
    if program in ("flux", "rosin") and argv[1:2] in (["broker"], ["start"]):
        return argv
    options = batch.get("broker-opts") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise ShellError("batch.broker-opts attribute must be an array")
    return ["flux", "broker", *options, *([script, *argv[1:]] if rank == 0 else [])]
