# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the shells of jobs ask of the execution service."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.broker.module import DEFERRED, BrokerModule, request_handler
from rosin.constants import FLUX_MSGFLAG_NORESPONSE
from rosin.errors import FormatError
from rosin.modules.job_exec.shells import ShellExec
from rosin.rfc import fluid
from rosin.rfc.payload import field, id_field, list_field
from rosin.rfc.role import authorized

if TYPE_CHECKING:
    from rosin.modules.job_exec.run import Run
    from rosin.rfc.message import Message


class ShellRequests(BrokerModule):
    """Requests of shells, which belong to the owners of their jobs."""

    runs: dict[int, Run]

    @request_handler("shell-barrier", allow_guest=True)
    def shell_barrier(self, msg: Message) -> object:
        """Sent without wanting a response, and answered all the same: the answer opens the barrier."""
        token = msg.copy()
        token.flags &= ~FLUX_MSGFLAG_NORESPONSE
        try:
            run = self.runs.get(id_field(msg.args))
            if run is None:
                raise OSError(errno.ENOENT, "job not found")
            self._owner_only(run, msg)
            if not isinstance(run.job.backend, ShellExec):
                raise OSError(errno.ENOSYS, "testexec does not support shell barrier")
            run.job.backend.enter_barrier(field(msg.args, "rank", int), token)
        except (OSError, FormatError) as err:
            self.respond_exception(token, err)
        else:
            self._do_all(run)
        return DEFERRED

    @request_handler("shell-ready", allow_guest=True)
    def shell_ready(self, msg: Message) -> object:
        """A shell of ours has subscribed to the signals for its tasks; the answer holds the earlier ones.

        One that has outlived its broker is answered when its job is here again, with its namespace. The
        leader tells the ranks on which the tasks are ``over``, and tells it again when there are more."""
        run = self._lookup(id_field(msg.args))
        self._owner_only(run, msg)
        if self._comes(run):
            run.asked.append(msg)
            return DEFERRED
        rank, backend = field(msg.args, "rank", int), run.job.backend
        if rank not in run.job.allocation.ranks or not isinstance(backend, ShellExec):
            raise OSError(errno.EINVAL, f"job {f58(run.job.id)} has no shell on rank {rank}")
        signals = backend.shell_ready(rank, list_field(msg.args, "over", int, []))
        self._do_all(run)
        return {"signals": signals}

    @request_handler("shell-active", allow_guest=True)
    def shell_active(self, msg: Message) -> dict[str, bool]:
        """Whether the shell on a rank may still be there, for another one that gets no answer from it."""
        run = self._lookup(id_field(msg.args))
        self._owner_only(run, msg)
        rank, backend = field(msg.args, "rank", int), run.job.backend
        known = isinstance(backend, ShellExec) and rank in backend.active()
        return {"active": not run.job.finalizing and (known or self._comes(run))}

    def _comes(self, run: Run) -> bool:
        """Whether the job is about to be reattached."""
        return run.job.request.reattach and not run.job.started and not run.job.finalizing

    def _lookup(self, jobid: int) -> Run:
        run = self.runs.get(jobid)
        if run is None:
            raise OSError(errno.ENOENT, f"job {f58(jobid)} is not being executed")
        return run

    def _owner_only(self, run: Run, msg: Message) -> None:
        if not authorized(msg.userid, msg.rolemask, run.job.userid):
            raise OSError(errno.EPERM, f"job {f58(run.job.id)} belongs to another user")

    def _do_all(self, run: Run) -> None:
        """Perform what a job wants to have done."""
        raise NotImplementedError


def f58(jobid: int) -> str:
    """A job's id as users see it."""
    return fluid.encode(jobid, "f58")
