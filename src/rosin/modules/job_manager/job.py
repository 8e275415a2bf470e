# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: one active job as the job manager sees it.

A job is what its events say. Beside that it carries what the manager has asked of other services and not
yet been told the end of: an allocation that is queued or pending, a start that is running.
"""

from __future__ import annotations

from typing import Any

from rosin import _json
from rosin.constants import FLUX_JOB_STATE_NEW
from rosin.rfc.states import job_result
from rosin.rfc.treedict import merge, with_value

#: Priority of a job that has not been given one.
NO_PRIORITY = -1


class Job:
    """An active job.

    ``jobspec`` and ``R`` are shared with requests and journal responses: they are replaced on update, never
    changed in place. ``lines`` holds the encoded events of the eventlog, without their newlines. ``posting``
    is a set of bits: the events that the state machine has asked for and that have not been applied yet.
    """

    __slots__ = (
        "R",
        "alloc_pending",
        "alloc_queued",
        "allocated",
        "annotations",
        "bypass",
        "cancel_sent",
        "dependencies",
        "end_event",
        "flags",
        "has_resources",
        "id",
        "immutable",
        "jobspec",
        "lines",
        "perilogs",
        "posting",
        "priority",
        "queue",
        "released",
        "satisfied",
        "start_pending",
        "start_sent",
        "started",
        "state",
        "t_clean",
        "t_submit",
        "urgency",
        "userid",
    )

    def __init__(self, id: int, jobspec: dict[str, Any], R: dict[str, Any] | None = None) -> None:
        self.id = id
        self.jobspec = jobspec
        self.R = R
        self.userid = 0
        self.urgency = 0
        self.flags = 0
        self.priority = NO_PRIORITY
        self.state = FLUX_JOB_STATE_NEW
        self.t_submit = 0.0
        self.t_clean = 0.0
        self.lines: list[bytes] = []
        self.annotations: dict[str, Any] | None = None
        self.dependencies: set[str] | None = None
        self.satisfied: set[str] | None = None
        self.end_event: tuple[str, dict[str, Any]] | None = None
        self.queue = system_attribute(jobspec, "queue")
        self.posting = 0
        self.perilogs = 0
        self.alloc_queued = self.alloc_pending = self.cancel_sent = False
        self.allocated = self.has_resources = False
        self.start_pending = self.start_sent = self.started = self.released = False
        self.immutable = False
        #: Its resources are its own affair: the scheduler does not know of them.
        self.bypass = False

    def result(self) -> int:
        """The FLUX_JOB_RESULT of an inactive job: what the first fatal exception, or the end, stands for."""
        name, context = self.end_event or ("exception", {})
        if name == "finish":
            return job_result(context["status"])
        return job_result(-1, context.get("type"))

    def annotate(self, path: str | None, update: dict[str, Any]) -> None:
        """Merge *update* into the annotations, below the key *path* when one is given (RFC 27)."""
        self.annotations = merge(self.annotations or {}, {path: update} if path else update) or None


def system_attribute(jobspec: dict[str, Any], name: str) -> Any:
    """``attributes.system.NAME`` of a jobspec, or None."""
    try:
        return jobspec["attributes"]["system"].get(name)
    except (KeyError, TypeError, AttributeError):
        return None


def job_name(jobspec: dict[str, Any]) -> str | None:
    """``attributes.system.job.name`` of a jobspec, or None when the user gave none."""
    job = system_attribute(jobspec, "job")
    name = job.get("name") if isinstance(job, dict) else None
    return name if isinstance(name, str) else None


def check_updates(updates: dict[str, Any]) -> bool:
    """Tell whether every key is a period-delimited path below ``attributes``."""
    return all(key.startswith("attributes.") and all(key.split(".")) for key in updates)


def with_updates(jobspec: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    """A copy of *jobspec* with the values of *updates* ({path: value}); what is not touched is shared.

    Raises FormatError when a path leads through something that is not an object.
    """
    for path, value in updates.items():
        jobspec = with_value(jobspec, path, value, strict=True)
    return jobspec


def with_expiration(R: dict[str, Any], expiration: float) -> dict[str, Any]:
    """A copy of *R* that expires at *expiration* (seconds since the epoch, 0 = never)."""
    return {**R, "execution": {**R.get("execution", {}), "expiration": expiration}}


def redact_jobspec(jobspec: dict[str, Any]) -> dict[str, Any]:
    """*jobspec* without ``attributes.system.environment``, itself when it has none."""
    if system_attribute(jobspec, "environment") is None:
        return jobspec
    attributes = jobspec["attributes"]
    system = {key: value for key, value in attributes["system"].items() if key != "environment"}
    return {**jobspec, "attributes": {**attributes, "system": system}}


def redact_R(R: dict[str, Any]) -> dict[str, Any]:
    """*R* without its scheduler-private part (RFC 20 ``scheduling``)."""
    return {key: value for key, value in R.items() if key != "scheduling"} if "scheduling" in R else R


def log_text(job: Job) -> bytes:
    """The journal's view of a whole job as JSON text: ``{"id":..,"events":[..],"jobspec":..,"R":..}``."""
    parts = [b'{"id":%d,"events":[' % job.id, b",".join(job.lines), b'],"jobspec":', _json.dumps(job.jobspec)]
    if job.R is not None:
        parts += [b',"R":', _json.dumps(job.R)]
    parts.append(b"}")
    return b"".join(parts)
