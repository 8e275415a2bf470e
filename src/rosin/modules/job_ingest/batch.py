# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 16: the jobs of one turn of the loop: one KVS commit, one announcement, one answer each."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.kvs import KVSTxn
from rosin.modules.job_ingest.request import without_environment
from rosin.rfc.jobpath import job_key

if TYPE_CHECKING:
    from rosin.modules.job_ingest.request import IngestRequest


class SubmissionBatch:
    """Submissions with their ids."""

    __slots__ = ("_jobs", "submissions", "txn")

    def __init__(self) -> None:
        self.submissions: dict[int, IngestRequest] = {}
        self._jobs: list[dict[str, Any]] = []
        #: What stores J and jobspec of all jobs.
        self.txn = KVSTxn()

    def add(self, id: int, submission: IngestRequest, jobspec: dict[str, Any], t_submit: float) -> None:
        """Add a job; *jobspec* has the defaults applied. Raises OSError EINVAL if it is not JSON."""
        stored = without_environment(jobspec)
        try:
            text = _json.dumps(stored)
        except (TypeError, ValueError, RecursionError) as error:
            raise OSError(errno.EINVAL, f"jobspec: {error}") from None
        self.submissions[id] = submission
        self.txn.put(job_key(id, "J"), submission.J, raw=True)
        self.txn.put(job_key(id, "jobspec"), text, raw=True)
        self._jobs.append(
            {
                "id": id,
                "userid": submission.userid,
                "urgency": submission.urgency,
                "t_submit": t_submit,
                "flags": submission.flags,
                "jobspec": stored,
            }
        )

    def announcement(self) -> dict[str, Any]:
        """The ``job-manager.submit`` request."""
        return {"jobs": self._jobs}


def refusals(answer: Any) -> dict[int, str]:
    """The texts by job id in the answer to ``job-manager.submit``. Raises FormatError."""
    errors = answer.get("errors", []) if isinstance(answer, dict) else None
    if not isinstance(errors, list):
        raise FormatError("job-manager.submit: malformed answer")
    return dict(errors)
