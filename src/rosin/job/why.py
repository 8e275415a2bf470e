# SPDX-License-Identifier: LGPL-3.0-or-later
"""Why a job waits: the request to the job manager, and its facts as sentences."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from rosin.job.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC

    Reason = dict[str, Any]

_AFTER = {
    "after-start": "to start",
    "after-finish": "to end",
    "after-success": "to succeed",
    "after-failure": "to fail",
    "after-except": "to end with an exception",
}
_WORDS = {
    "validate": "it is being checked",
    "priority": "no plugin of the job manager has given it a priority yet",
    "no-scheduler": "no scheduler is loaded",
    "scheduler": "the scheduler has its request, and says no more",
    "prolog": "its prolog runs",
    "epilog": "its epilog runs",
    "cleanup": "it is being cleaned up",
}
_ATTRS = ("state", "urgency", "priority", "dependencies", "annotations")


def job_why_async(flux_handle: Handle, jobid: int | str) -> RPC:
    """Ask why a job waits; ENOENT for one that is over, ENOSYS where the job manager is flux-core's."""
    return flux_handle.rpc("job-manager.why", {"id": int(JobID(jobid))})


def job_why(flux_handle: Handle, jobid: int | str) -> dict[str, Any]:
    """Return ``id``, ``state``, ``reasons``, and where they are known ``ahead`` and ``t_estimate``.

    ``reasons`` are objects with a ``kind``; :func:`sentences` says what they mean. Of a flux-core instance it
    is what job-list knows. Raises OSError.
    """
    try:
        answer: dict[str, Any] = job_why_async(flux_handle, jobid).get()
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        request = {"id": int(JobID(jobid)), "attrs": list(_ATTRS)}
        answer = known_reasons(flux_handle.rpc("job-list.list-id", request).get()["job"])
    return answer


def known_reasons(job: dict[str, Any]) -> dict[str, Any]:
    """What a listing of a job tells of why it waits (RFC 43). Raises OSError ENOENT for one that is over."""
    from rosin.rfc.states import state_name

    state = state_name(job["state"])
    if state == "INACTIVE":
        raise OSError(errno.ENOENT, "job is inactive")
    reasons: list[Reason] = [
        {"kind": "dependency", "description": description} for description in job.get("dependencies", ())
    ]
    if state == "SCHED":
        held = job.get("urgency") == 0 or job.get("priority") == 0
        reasons.append({"kind": "hold", "urgency": job.get("urgency")} if held else {"kind": "scheduler"})
    answer: dict[str, Any] = {"id": job["id"], "state": state, "reasons": reasons}
    estimate = job.get("annotations", {}).get("sched", {}).get("t_estimate")
    return answer if estimate is None else {**answer, "t_estimate": estimate}


def local_time(seconds: float) -> str:
    """A time as people write it, with its zone."""
    return time.strftime("%F %T %z", time.localtime(seconds))


def sentences(answer: dict[str, Any], when: Callable[[float], str] = local_time) -> list[str]:
    """Return what an answer of :func:`job_why` means, a sentence for each reason; none if nothing is amiss.

    ``when`` writes times. Reasons of a kind that is not known are named as they are.
    """
    found = [sentence(reason, when) for reason in answer["reasons"]]
    ahead = answer.get("ahead")
    if ahead:
        found.append("1 job is ahead of it" if ahead == 1 else f"{ahead} jobs are ahead of it")
    if answer.get("t_estimate") is not None:
        found.append(f"it is expected to start at {when(answer['t_estimate'])}")
    return found


def sentence(reason: Reason, when: Callable[[float], str] = local_time) -> str:
    """Return what one reason means."""
    kind = reason["kind"]
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _TIMES:
        return _TIMES[kind](reason, when)
    return _TEXTS[kind](reason) if kind in _TEXTS else str(kind)


def _id(reason: Reason) -> str:
    return JobID(reason["jobid"]).f58 if "jobid" in reason else "another job"


def _dependency(reason: Reason) -> str:
    kind, _, value = reason["description"].partition("=")
    if kind == "singleton":
        return "it waits until no other job of its name is active"
    if kind not in _AFTER:
        return f"it waits for the dependency {reason['description']}"
    state = f", which is in state {reason['state']}" if "state" in reason else ""
    return f"it waits for {_id(reason) if 'jobid' in reason else value} {_AFTER[kind]}{state}"


def _hold(reason: Reason) -> str:
    if reason.get("urgency") == 0:
        return "it is held: its urgency is 0"
    return "it is held: its priority is 0"


def _queue(reason: Reason) -> str:
    name = f"its queue '{reason['queue']}'" if reason.get("queue") else "the queue"
    return f"{name} is stopped" + (f": {reason['reason']}" if reason.get("reason") else "")


def _queue_depth(reason: Reason) -> str:
    return f"the scheduler looks at {reason['limit']} jobs at a time"


def _wanted(reason: Reason) -> str:
    """Such as ``4 nodes with 2 cores and 1 GPU each``."""
    number, unit = reason["needed"], reason["unit"]
    if reason.get("exclusive") and unit == "node":
        return _plural(number, "whole node")
    each = _plural(reason["cores"], "core") + (
        f" and {_plural(reason['gpus'], 'GPU')}" if reason["gpus"] else ""
    )
    if unit == "node":
        return f"{_plural(number, unit)} with {each}" + (" each" if number > 1 else "")
    return f"{_plural(number, unit)} of {each}"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _resources(reason: Reason) -> str:
    text = f"it needs {_wanted(reason)}, and there is room for {reason['free'] or 'none'}"
    holders = ", ".join(JobID(jobid).f58 for jobid in reason.get("held_by", ()))
    return f"{text}; resources are held by {holders}" if holders else text


def _pool(reason: Reason) -> str:
    text = (
        f"it needs {reason['needed']} of {reason['pool']}, and {reason['free'] or 'none'} of {reason['size']}"
    )
    holders = ", ".join(JobID(jobid).f58 for jobid in reason.get("held_by", ()))
    verb = "is" if reason["free"] < 2 else "are"
    return f"{text} {verb} free" + (f"; they are held by {holders}" if holders else "")


def _down(reason: Reason) -> str:
    verb = "is" if reason["nodes"] and not any(c in reason["nodes"] for c in "[,") else "are"
    return f"it needs {_wanted(reason)}, and {reason['nodes']} {verb} down or drained"


def _order(reason: Reason) -> str:
    if reason.get("unlimited"):
        return f"nobody overtakes {_id(reason)}, which waits for jobs without a time limit"
    return f"{_id(reason)} is first, and nobody overtakes it"


_TEXTS: dict[str, Callable[[Reason], str]] = {
    "backfill-depth": lambda reason: (
        f"only the first {reason['limit']} jobs behind the first may overtake it"
    ),
    "dependency": _dependency,
    "down": _down,
    "hold": _hold,
    "infeasible": lambda reason: f"it can never run: {reason['note']}",
    "order": _order,
    "pool": _pool,
    "queue": _queue,
    "queue-depth": _queue_depth,
    "resources": _resources,
    "start": lambda reason: (
        "its job shells start" if reason.get("service") else "no execution service is loaded"
    ),
}
_TIMES: dict[str, Callable[[Reason, Callable[[float], str]], str]] = {
    "expiration": lambda reason, when: (
        f"the instance ends at {when(reason['expiration'])}, before this job would be over"
    ),
    "begin-time": lambda reason, when: f"it is not to start before {when(reason['begin'])}",
    "reservation": lambda reason, when: (
        f"{_id(reason)} is promised resources from {when(reason['start'])}, before this job would be over"
    ),
}
