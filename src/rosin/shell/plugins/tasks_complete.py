# SPDX-License-Identifier: LGPL-3.0-or-later
"""The leader stays until the tasks of all shells are over: ``tasks-complete`` requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.rfc.payload import field
from rosin.shell.plugins.api import Api, ShellPlugin
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.rfc.message import Message


class TasksComplete(ShellPlugin):
    """Counts the shells whose tasks run; a lost one has none."""

    name = "tasks-complete"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._active = set(range(shell.info.size)) if shell.leader else set()
        self._told = False
        if shell.leader:
            shell.hold(self.name)
            if shell.info.size > 1:
                shell.service.methods["tasks-complete"] = self._remote

    def shell_finish(self) -> None:
        if self.shell.leader:
            self.shell_lost(self.shell.info.rank)
        else:
            self._tell()

    def shell_exit(self) -> None:
        """A shell that fails tells so, too: the leader must not wait for its tasks."""
        if not self.shell.leader:
            self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self.shell.tell("tasks-complete", {"shell_rank": self.shell.info.rank})

    def _remote(self, msg: Message) -> Any:
        rank = field(msg.args, "shell_rank", int)
        if rank in self._active and self.shell.startup.keep:
            # If that shell's broker is killed in the next moment, this is how its end is known to be right.
            self.shell.over.append(self.shell.info.resources.nodes[rank].rank)
            self.shell.h.rpc("job-exec.shell-ready", self.shell.ready()).then(self._said)
        self.shell_lost(rank)
        return LATER  # these requests have no response

    def _said(self, rpc: Future) -> None:
        try:
            rpc.get()
        except OSError as error:
            self.shell.log.debug(f"nobody knows which shells are over: {error.strerror}", self.name)

    def shell_lost(self, rank: int) -> None:
        if not self._active:
            return
        self._active.discard(rank)
        if not self._active:
            self.shell.log.debug("all shells report tasks complete", self.name)
            self.shell.stack.call(ShellPlugin.shell_tasks_complete)
            self.shell.release(self.name)
