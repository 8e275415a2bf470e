# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27: the payloads between job manager and scheduler.

``sched.alloc`` and ``sched.free`` carry matchtag 0; what belongs together is told by ``id``. Every ``decode``
raises FormatError that names the message and the key. Keys that the RFC does not have are passed over.
:func:`rosin.rfc.treedict.merge` adds annotations to those that a job has.
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.payload import describe, field, int_field
from rosin.rfc.protocol import MAX_ID, MAX_USERID
from rosin.rfc.protocol import read as payload_of

#: Types of responses to ``sched.alloc``.
SUCCESS, ANNOTATE, DENY, CANCEL = range(4)

MAX_PRIORITY = 2**32 - 1
MAX_LIMIT = 2**31 - 1
_MAX_TIME = 1e300
_NONE = Idset()


def _id(obj: Any) -> int:
    number: int = int_field(obj, "id", 0, MAX_ID)
    return number


def _time(obj: Any, name: str) -> float:
    value: float = field(obj, name, float)
    if not 0 <= value < _MAX_TIME:
        raise FormatError(f"payload: field '{name}': expected a time in seconds, got {describe(value)}")
    return value


class AllocJob:
    """What the manager tells of a job: one that holds resources (hello), or one that asks for some (alloc).

    Attributes:
        id, userid: job and owner.
        priority: 0 to 2^32 - 1.
        t_submit: seconds since the epoch. Of ``sched.alloc`` the RFC does not have it, flux-core sends it;
            0.0 when it is not there.
        free: ranks whose resources were freed already (hello).
        jobspec: the request, perhaps without its environment (alloc), or None (hello).
    """

    __slots__ = ("free", "id", "jobspec", "priority", "t_submit", "userid")

    def __init__(
        self,
        id: int,
        priority: int,
        userid: int,
        t_submit: float,
        *,
        free: Idset = _NONE,
        jobspec: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.priority = priority
        self.userid = userid
        self.t_submit = t_submit
        self.free = free
        self.jobspec = jobspec

    @staticmethod
    def decode_hello(obj: Any) -> AllocJob:
        """Read a response to ``job-manager.sched-hello``. Raises FormatError."""

        def read(obj: Any) -> AllocJob:
            return AllocJob(
                *AllocJob._common(obj),
                _time(obj, "t_submit"),
                free=_idset(field(obj, "free", str, ""), "free"),
            )

        return payload_of("sched-hello", obj, read)

    @staticmethod
    def decode_alloc(obj: Any) -> AllocJob:
        """Read ``sched.alloc``. Raises FormatError."""
        return payload_of("sched.alloc", obj, AllocJob._read_alloc)

    @staticmethod
    def _read_alloc(obj: Any) -> AllocJob:
        t_submit = _time(obj, "t_submit") if "t_submit" in obj else 0.0
        return AllocJob(*AllocJob._common(obj), t_submit, jobspec=field(obj, "jobspec", dict))

    @staticmethod
    def _common(obj: Any) -> tuple[int, int, int]:
        return (
            _id(obj),
            int_field(obj, "priority", 0, MAX_PRIORITY),
            int_field(obj, "userid", 0, MAX_USERID),
        )

    def encode(self) -> dict[str, Any]:
        """Return the response to hello, or with a jobspec the request ``sched.alloc``."""
        obj: dict[str, Any] = {
            "id": self.id,
            "priority": self.priority,
            "userid": self.userid,
            "t_submit": self.t_submit,
        }
        if self.free:
            obj["free"] = self.free.encode()
        if self.jobspec is not None:
            obj["jobspec"] = self.jobspec
        return obj


def _idset(text: str, name: str) -> Idset:
    try:
        return Idset(text)
    except FormatError as error:
        raise FormatError(f"payload: field '{name}': {error}") from None


class AllocResponse:
    """A response to ``sched.alloc``. All but ANNOTATE end the request.

    Attributes:
        id, type: job, and one of SUCCESS, ANNOTATE, DENY, CANCEL.
        annotations: changes of the job's annotations, None when there are none (SUCCESS).
        note: why the job can never run (DENY), or None.
        R: the resources (SUCCESS), or None: the RFC does not have it, but flux-core asks for it.
    """

    __slots__ = ("R", "annotations", "id", "note", "type")

    def __init__(
        self,
        id: int,
        type: int,
        *,
        annotations: dict[str, Any] | None = None,
        note: str | None = None,
        R: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.type = type
        self.annotations = annotations
        self.note = note
        self.R = R

    @property
    def final(self) -> bool:
        """The request is answered."""
        return self.type != ANNOTATE

    @staticmethod
    def decode(obj: Any) -> AllocResponse:
        """Read a response; of what its type does not have nothing is read. Raises FormatError."""
        return payload_of("sched.alloc response", obj, AllocResponse._read)

    @staticmethod
    def _read(obj: Any) -> AllocResponse:
        new = AllocResponse(_id(obj), int_field(obj, "type", SUCCESS, CANCEL))
        if new.type in (SUCCESS, ANNOTATE):
            none: tuple[type, ...] = (dict, type(None)) if new.type == SUCCESS else (dict,)
            new.annotations = field(obj, "annotations", none, *([None] if new.type == SUCCESS else []))
        if new.type == SUCCESS:
            new.R = field(obj, "R", (dict, type(None)), None)
        elif new.type == DENY:
            new.note = field(obj, "note", (str, type(None)), None)
        return new

    def encode(self) -> dict[str, Any]:
        """Return the payload."""
        obj: dict[str, Any] = {"id": self.id, "type": self.type}
        for name in ("annotations", "note", "R"):
            value = getattr(self, name)
            if value is not None:
                obj[name] = value
        return obj


class Free:
    """``sched.free``: resources of a job that can be used again; ``final``: the last of the job."""

    __slots__ = ("R", "final", "id")

    def __init__(self, id: int, R: dict[str, Any], final: bool = False) -> None:
        self.id = id
        self.R = R
        self.final = final

    @staticmethod
    def decode(obj: Any) -> Free:
        """Read the request; R is an object and is not looked into. Raises FormatError."""
        return payload_of(
            "sched.free",
            obj,
            lambda obj: Free(_id(obj), field(obj, "R", dict), field(obj, "final", bool, False)),
        )

    def encode(self) -> dict[str, Any]:
        """Return the payload."""
        return {"id": self.id, "R": self.R, "final": self.final}


def partial_ok(obj: Any) -> bool:
    """Read ``job-manager.sched-hello``: the scheduler understands ``free`` (None: no payload).

    Raises FormatError.
    """
    return payload_of(
        "sched-hello", {} if obj is None else obj, lambda obj: field(obj, "partial-ok", bool, False)
    )


def ready(limit: int = 0) -> dict[str, Any]:
    """Return the request ``job-manager.sched-ready``; ``limit`` allocations at a time, 0 = any number.

    Raises FormatError.
    """
    if not 0 <= limit <= MAX_LIMIT:
        raise FormatError(f"sched-ready: limit: expected 0 to {MAX_LIMIT}, got {limit}")
    return {"mode": "limited", "limit": limit} if limit else {"mode": "unlimited"}


def ready_limit(obj: Any) -> int:
    """Read ``job-manager.sched-ready``; return how many allocations at a time, 0 = any number.

    Raises FormatError.
    """

    def read(obj: Any) -> int:
        mode = field(obj, "mode", str)
        if mode == "unlimited":
            return 0
        if mode != "limited":
            raise FormatError(f"payload: unknown mode {describe(mode)}: use limited or unlimited")
        limit: int = int_field(obj, "limit", 1, MAX_LIMIT)
        return limit

    return payload_of("sched-ready", obj, read)


def queue_depth(obj: Any) -> int:
    """Read the response to ``job-manager.sched-ready``: how many jobs wait. Raises FormatError."""

    def read(obj: Any) -> int:
        count: int = int_field(obj, "count", 0, MAX_ID)
        return count

    return payload_of("sched-ready response", obj, read)


def canceled(obj: Any) -> int:
    """Read ``sched.cancel``: the job whose request is taken back. Raises FormatError."""
    return payload_of("sched.cancel", obj, _id)


def _is_priority(pair: Any) -> bool:
    """Whether this is what ``sched.prioritize`` has for a job."""
    if type(pair) is not list or len(pair) != 2:
        return False
    jobid, priority = pair
    return type(jobid) is type(priority) is int and 0 <= jobid <= MAX_ID and 0 <= priority <= MAX_PRIORITY


def priorities(obj: Any) -> list[tuple[int, int]]:
    """Read ``sched.prioritize``: ``(id, priority)`` of each job. Raises FormatError."""

    def read(obj: Any) -> list[tuple[int, int]]:
        jobs = field(obj, "jobs", list)
        if all(map(_is_priority, jobs)):  # all of a long queue come at once: what is right is read fast
            return [(jobid, priority) for jobid, priority in jobs]
        pairs = []
        for at, pair in enumerate(jobs):
            if type(pair) is not list or len(pair) != 2:
                raise FormatError(f"payload: jobs[{at}]: expected [id, priority], got {describe(pair)}")
            for value, most in zip(pair, (MAX_ID, MAX_PRIORITY), strict=True):
                if type(value) is not int or not 0 <= value <= most:
                    raise FormatError(f"payload: jobs[{at}]: expected 0 to {most}, got {describe(value)}")
            pairs.append((pair[0], pair[1]))
        return pairs

    return payload_of("sched.prioritize", obj, read)


def expiration(obj: Any) -> tuple[int, float]:
    """Read ``sched.expiration``: the job and when it is to end, seconds since the epoch.

    The RFC has an integer, flux-core sends a float. Raises FormatError.
    """
    return payload_of("sched.expiration", obj, lambda obj: (_id(obj), _time(obj, "expiration")))


def feasibility(obj: Any) -> dict[str, Any]:
    """Read ``feasibility.check``: the jobspec. Raises FormatError."""
    return payload_of("feasibility.check", obj, lambda obj: field(obj, "jobspec", dict))
