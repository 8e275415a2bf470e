# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a shell says to a broker that has come in the place of its own.

It waits until that one runs, registers its service again and asks the execution service for its job, which is
answered when the job has been reattached; and it looks which of its commits the KVS has. Then all goes on.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.rfc.jobpath import guest_namespace
from rosin.shell.guestlog import last_written

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.shell.plugins.api import Api
    from rosin.shell.plugins.kill import Kill

#: What the execution service answers of a job that it does not run.
_GONE = (errno.ENOENT, errno.EPERM, errno.EINVAL)


class Comeback:
    """The steps, each of which begins when the one before is answered."""

    def __init__(self, shell: Api, kill: Kill) -> None:
        self._shell = shell
        self._h = shell.h
        self._kill = kill
        self._namespace = guest_namespace(shell.jobid)
        shell.guest.keep = shell.startup.keep
        shell.h.remembers = shell.startup.keep > 0
        shell.h.on_away = shell.guest.suspend
        shell.h.on_back = self._begin

    def allow(self) -> None:
        """From now on the shell can do without its broker."""
        self._h.patience = self._shell.startup.keep

    def _begin(self) -> None:
        self._h.ask("state-machine.wait", {}).then(self._runs)

    def _runs(self, rpc: Future) -> None:
        try:
            rpc.get()
        except OSError:  # it ends already
            self._h.again()
            return
        self._kill.begin_again()
        self._h.renew()
        self._h.ask("job-exec.shell-ready", self._shell.ready()).then(self._reattached)

    def _reattached(self, rpc: Future) -> None:
        try:
            rpc.get()
        except OSError as error:
            if error.errno in _GONE:
                self._h.give_up()
            else:
                self._h.again()
            return
        # Transactions have their turn in order: when one that changes nothing is over, so is each that the
        # broker before has still sent on.
        request = {"namespace": self._namespace, "ops": [], "flags": 0}
        self._h.ask("kvs.commit", request).then(self._passed, rpc)

    def _passed(self, commit: Future, ready: Future) -> None:
        try:
            commit.get()
        except OSError:
            self._h.again()
            return
        request = {"key": self._shell.guest.written_key, "namespace": self._namespace, "flags": 0}
        self._h.ask("kvs.lookup", request).then(self._go_on, ready)

    def _go_on(self, found: Future, ready: Future) -> None:
        try:
            written = last_written(found)
        except OSError:
            self._h.again()
            return
        self._h.go_on()
        self._shell.guest.resume(written)
        self._kill.catch_up(ready)
