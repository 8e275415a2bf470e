# SPDX-License-Identifier: LGPL-3.0-or-later
"""Submitting jobs: a jobspec is signed (RFC 39, mechanism none) and given to job-ingest."""

from __future__ import annotations

import errno
import os
from operator import index

from rosin import _json
from rosin.constants import (
    FLUX_JOB_DEBUG,
    FLUX_JOB_NOVALIDATE,
    FLUX_JOB_PRE_SIGNED,
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_WAITABLE,
)
from rosin.handle.checks import InvalidArguments
from rosin.handle.future import Future, error
from rosin.handle.rpc import RPC
from rosin.job.jobid import JobID
from rosin.rfc import sign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rosin.handle.handle import Handle
    from rosin.job.spec import Jobspec


class SubmitFuture(RPC):
    """The answer to a submission."""

    def get_id(self) -> JobID:
        """The id of the new job. Raises OSError with the reason why there is none."""
        return JobID(self.get()["id"])


def _encoded(jobspec: Jobspec | dict[str, Any] | str | bytes | None) -> bytes:
    """The jobspec as JSON bytes."""
    if jobspec is None:
        raise error(errno.EINVAL, "jobspec must not be None/NULL")
    if isinstance(jobspec, bytes):
        return jobspec
    if isinstance(jobspec, str):
        return jobspec.encode("utf-8", errors="surrogateescape")
    if isinstance(jobspec, dict):
        return _json.dumps(jobspec)
    if not hasattr(jobspec, "encode"):
        raise TypeError("jobspec must be a Jobspec or string (either binary or unicode)")
    return jobspec.encode()


def submit_async(
    flux_handle: Handle,
    jobspec: Jobspec | dict[str, Any] | str | bytes,
    urgency: int = FLUX_JOB_URGENCY_DEFAULT,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    novalidate: bool = False,
) -> SubmitFuture:
    """Submit a job; the future's ``get_id()`` is its id.

    ``jobspec``: a Jobspec, its dict or its JSON text; with ``pre_signed`` the signed text. ``urgency`` 0 to
    31. ``waitable`` jobs can be waited for with :func:`rosin.job.wait`; ``debug`` adds debug events to the
    log; ``novalidate`` skips the validators. Waitable and novalidate are for the instance owner.
    """
    flags = FLUX_JOB_WAITABLE if waitable else 0
    flags |= FLUX_JOB_DEBUG if debug else 0
    flags |= FLUX_JOB_NOVALIDATE if novalidate else 0
    try:
        urgency = index(urgency)
    except TypeError:
        raise InvalidArguments(f"urgency must be an int, not {type(urgency)}") from None
    data = _encoded(jobspec)
    signed = data.decode() if pre_signed else sign.wrap(data, os.getuid())
    flags &= ~FLUX_JOB_PRE_SIGNED  # says how this function is called, and is not sent
    payload = {"J": signed, "urgency": urgency, "flags": flags}
    return SubmitFuture(flux_handle, "job-ingest.submit", payload)


def submit_get_id(future: Future) -> JobID:
    """The id of the job that :func:`submit_async` submitted."""
    if future is None:
        raise error(errno.EINVAL, "future must not be None/NULL")
    return JobID(future.get()["id"])


def submit(
    flux_handle: Handle,
    jobspec: Jobspec | dict[str, Any] | str | bytes,
    urgency: int = FLUX_JOB_URGENCY_DEFAULT,
    waitable: bool = False,
    debug: bool = False,
    pre_signed: bool = False,
    novalidate: bool = False,
) -> JobID:
    """Submit a job and block until it has an id; see :func:`submit_async`."""
    return submit_async(flux_handle, jobspec, urgency, waitable, debug, pre_signed, novalidate).get_id()
