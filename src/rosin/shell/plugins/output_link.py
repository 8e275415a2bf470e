# SPDX-License-Identifier: LGPL-3.0-or-later
"""How a shell that is not the leader writes to the job's output log: by requests to the leader, with credit.

The leader hands out credits, one per entry; a shell without any stops reading its tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.payload import field
from rosin.shell.output import credit_marks

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.shell.plugins.api import Api


class LeaderLink:
    """The leader's log, from another shell."""

    def __init__(self, shell: Api) -> None:
        """Takes the options ``output.client``. Raises ShellError."""
        self._shell = shell
        self._low, self._high = credit_marks(shell.info.options)
        self._credits = self._high
        self._asked = False
        self._lost = False
        self._killed = False

    def write(self, name: str, context: dict[str, Any]) -> None:
        """Send an entry of the output log."""
        if self._lost:
            return
        self._shell.tell("write", {"name": name, "shell_rank": self._shell.info.rank, "context": context})
        self._credits -= 1
        if self._credits <= self._low and not self._asked:
            self._asked = True
            try:
                self._shell.ask("write-getcredit", {"credits": self._high}, self._granted)
            except ConnectionError:
                self._lost = True
        if self._credits <= 0 and not self._killed:
            self._shell.pause(True)

    def killed(self) -> None:
        """The tasks are: what they have written so far is all that comes, and is read without waiting for
        credit, which a leader that has gone will not give."""
        self._killed = True
        self._shell.pause(False)

    def _granted(self, rpc: Future) -> None:
        self._asked = False
        try:
            self._credits += field(rpc.get(), "credits", int)
        except (OSError, FormatError) as error:
            self._shell.log.error(f"output is lost from here on: {error}")
            self._lost = True  # the leader is gone, and the job with it: tasks must not wait to write
        self._shell.pause(False)
