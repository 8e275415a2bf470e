# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: the primary events of all jobs (``job-manager.events-journal``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOBID_ANY, FLUX_RPC_STREAMING
from rosin.handle.journal import JournalConsumerBase as JournalConsumerBase
from rosin.handle.journal import JournalEventBase as JournalEventBase
from rosin.job.jobid import JobID

if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


_NO_JOB = FLUX_JOBID_ANY % (1 << 64)
_TOPIC = "job-manager.events-journal"


def events_journal(flux_handle: Handle, full: bool = True, rows: str = "") -> RPC:
    """Follow the primary events of all jobs: a streaming RPC. With ``full`` those of the past come first.

    ``rows``: rows of this format are welcome instead of the events of jobs that are over (Rosin's own).
    """
    args = {"full": full, "rows": rows} if rows else {"full": full}
    return flux_handle.rpc(_TOPIC, args, flags=FLUX_RPC_STREAMING)


class JournalEvent(JournalEventBase):
    """An event of a job. ``jobspec`` is set in ``submit`` events, ``R`` in ``alloc`` events, else None."""

    def __init__(
        self, jobid: int, event: dict[str, Any], jobspec: dict[str, Any] | None = None, R: Any = None
    ) -> None:
        super().__init__(event)
        self.jobid = JobID(jobid)
        name = self.get("name")
        self.jobspec = jobspec if name == "submit" else None
        self.R = R if name == "alloc" else None

    def is_empty(self) -> bool:
        """Whether this is the mark between history and current events."""
        return self.jobid == _NO_JOB

    def __str__(self) -> str:
        if self.is_empty():
            return "-1: End of historical data stream"
        words = (
            f"{self.jobid.f58}:",
            f"{self.timestamp:<0.5f}",
            self.name,
            self.context_string,
            f"jobspec={self.jobspec}" if self.jobspec else "",
            f"R={self.R}" if self.R else "",
        )
        return " ".join(filter(None, words))

    def __reduce__(self) -> tuple[Any, ...]:
        return JournalEvent, (int(self.jobid), dict(self), self.jobspec, self.R)


SENTINEL_EVENT = JournalEvent(_NO_JOB, {"timestamp": 0.0})


class JournalConsumer(JournalConsumerBase):
    """The primary events of all jobs (RFC 21), for the instance owner. Events are JournalEvent objects."""

    SENTINEL_EVENT = SENTINEL_EVENT

    def __init__(
        self, flux_handle: Handle, full: bool = True, since: float = 0.0, include_sentinel: bool = False
    ) -> None:
        super().__init__(
            flux_handle,
            _TOPIC,
            full=full,
            since=since,
            include_sentinel=include_sentinel,
        )

    @property
    def request_payload(self) -> dict[str, Any]:
        return {"full": self.full}

    def is_empty_response(self, resp: dict[str, Any]) -> bool:
        return bool(resp["id"] == FLUX_JOBID_ANY)

    def process_response(self, resp: dict[str, Any]) -> dict[str, Any]:
        return {"jobid": resp["id"], "jobspec": resp.get("jobspec"), "R": resp.get("R")}

    def create_event(  # type: ignore[override]
        self, entry: dict[str, Any], jobid: int = -1, jobspec: Any = None, R: Any = None
    ) -> JournalEvent:
        return JournalEvent(jobid, entry, jobspec, R)
