# SPDX-License-Identifier: LGPL-3.0-or-later
"""How much time a program has left: that of its job, or of its Flux instance."""

from __future__ import annotations

import errno
import math
import os
import time
from typing import TYPE_CHECKING

from rosin.constants import FLUX_JOB_STATE_PENDING, FLUX_JOB_STATE_RUN
from rosin.handle.future import error
from rosin.job.jobid import JobID

if TYPE_CHECKING:
    from rosin.handle.handle import Handle


def timeleft(flux_handle: Handle | None = None) -> float:
    """Seconds until the time limit, ``inf`` without one; 0 for a job that is over.

    Inside a job (``FLUX_JOB_ID``) its limit counts, elsewhere that of the instance. Raises OSError for a job
    that is unknown or has not started. Without a handle, one is opened for the call.
    """
    if flux_handle is not None:
        return _left(_expiration(flux_handle))
    from rosin.handle.flux import Flux

    with Flux() as handle:
        return _left(_expiration(handle))


def _left(expiration: float | None) -> float:
    if expiration is None:
        return 0.0
    return max(0.0, expiration - time.time()) if expiration else math.inf


def _expiration(handle: Handle) -> float | None:
    """Expiration time, 0 for none, None if the job is over."""
    text = os.environ.get("FLUX_JOB_ID")
    if not text:
        status = handle.rpc("resource.status", None, 0).get()
        return float(status["R"]["execution"].get("expiration", 0.0))
    try:
        jobid = int(JobID(text))
    except ValueError:
        raise error(errno.EINVAL, f"failed to parse jobid {text}") from None
    request = {"id": jobid, "attrs": ["expiration", "state"]}
    try:
        job = handle.rpc("job-list.list-id", request).get()["job"]
    except FileNotFoundError:
        raise error(errno.ENOENT, f"{text}: no such jobid") from None
    if job["state"] & FLUX_JOB_STATE_PENDING:
        raise error(errno.EINVAL, f"job {text} has not started")
    return float(job.get("expiration", 0.0)) if job["state"] == FLUX_JOB_STATE_RUN else None
