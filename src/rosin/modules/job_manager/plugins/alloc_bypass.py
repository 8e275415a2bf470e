# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs that bring their resources along, past the scheduler (``alloc-bypass.so``, for tests and debugging).

``attributes.system.alloc-bypass.R`` (RFC 20) of a job of the instance owner is what it gets, used or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_STATE_NEW
from rosin.errors import FormatError
from rosin.modules.job_manager.job import system_attribute
from rosin.modules.job_manager.plugins.api import Plugin, Reject, callback
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.modules.job_manager.job import Job


class AllocBypass(Plugin):
    """Neither the scheduler nor housekeeping learns of such a job."""

    name = "alloc-bypass.so"

    @callback("job.validate")
    def validate(self, job: Job) -> None:
        """Refuse what is no R, and guests."""
        R = _given(job)
        if R is None:
            return
        if job.userid != self.manager.owner:
            raise Reject("Guest user cannot use alloc bypass")
        try:
            if not ResourceSet.decode(R).ranks():
                raise Reject("alloc-bypass: invalid R: it has no ranks")
        except FormatError as error:
            raise Reject(f"alloc-bypass: invalid R: {error}") from None
        if job.state == FLUX_JOB_STATE_NEW and not job.bypass:
            self.set_flag(job, "alloc-bypass")

    @callback("job.state.sched")
    def schedule(self, job: Job) -> None:
        """Give the job its R."""
        R = _given(job)
        if R is not None and job.bypass:
            self.manager.bypass(job, R)


def _given(job: Job) -> dict[str, Any] | None:
    """The R of *job*. Raises :class:`Reject` if there is one that is no object."""
    table = system_attribute(job.jobspec, "alloc-bypass")
    if table is None:
        return None
    R = table.get("R") if isinstance(table, dict) else table
    if R is not None and not isinstance(R, dict):
        raise Reject("invalid system.alloc-bypass.R: expected an object (RFC 20)")
    return R
