# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the execution system tells the leader of the other shells: ``exception`` requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.rfc.payload import field
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class ShellException(ShellPlugin):
    """Warns the user, and the plugins of a shell that is lost."""

    name = "exception"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        if shell.leader:
            shell.service.methods["exception"] = self._exception

    def _exception(self, msg: Message) -> None:
        kind = field(msg.args, "type", str)
        shell_rank = field(msg.args, "shell_rank", int)
        message = field(msg.args, "message", str, "")
        if message:
            self.shell.log.warn(message, self.name)
        if kind == "lost-shell":
            self.shell.stack.call(ShellPlugin.shell_lost, shell_rank)
