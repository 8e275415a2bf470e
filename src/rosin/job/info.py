# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: one listed job as an object, with the values that are computed from its attributes."""

from __future__ import annotations

import time

from rosin.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_FAILED,
)
from rosin.job.info_values import (
    AnnotationsInfo,
    DependencyList,
    ExceptionInfo,
    get_username,
    resulttoemoji,
    resulttostr,
    statetoemoji,
    statetostr,
    statustoemoji,
    statustostr,
)
from rosin.job.jobid import JobID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


__all__ = ["JobInfo", "get_username", "resulttostr", "statetostr", "statustostr"]

_DEFAULTS: dict[str, Any] = {
    "t_depend": 0.0,
    "t_priority": 0.0,
    "t_sched": 0.0,
    "t_run": 0.0,
    "t_cleanup": 0.0,
    "t_inactive": 0.0,
    "duration": 0.0,
    "expiration": 0.0,
    "name": "",
    "cwd": "",
    "queue": "",
    "project": "",
    "bank": "",
    "ntasks": "",
    "ncores": "",
    "nnodes": "",
    "priority": "",
    "ranks": "",
    "nodelist": "",
    "success": "",
    "result": "",
    "waitstatus": "",
}
_RENAMED = {"state": "_state_id", "result": "_result_id"}
_INITIAL = {_RENAMED.get(name, f"_{name}"): value for name, value in _DEFAULTS.items()}
_SLOT = {name: _RENAMED.get(name, f"_{name}") for name in _DEFAULTS}


class JobInfo:
    """A job of a listing. The attributes of RFC 43 that were asked for are attributes of this object, under
    their names and (as in flux-core) with a leading underscore; those without a value are "" or 0.0.
    ``state`` and ``result`` are names, ``state_id`` and ``result_id`` numbers. Computed values: see
    ``COMPUTED``.

    ``info_resp`` is a job object as job-list sends it.
    """

    defaults = _DEFAULTS
    properties = (
        "id",
        "t_submit",
        "t_remaining",
        "state",
        "result",
        "username",
        "userid",
        "urgency",
        "runtime",
        "status",
        "returncode",
        "dependencies",
    )
    #: Name to function of every computed value that is kept once it was asked for.
    COMPUTED: dict[str, Callable[[JobInfo], Any]]

    if TYPE_CHECKING:
        id: JobID
        exception: ExceptionInfo
        annotations: AnnotationsInfo
        returncode: int | str
        state: str
        status: str

    def __init__(self, info_resp: dict[str, Any]) -> None:
        values = _INITIAL.copy()
        for name, value in info_resp.items():
            slot = _SLOT.get(name)
            if slot is None:
                slot = _SLOT[name] = _RENAMED.get(name, f"_{name}")
            values[slot] = value
        get = info_resp.get
        values["_id"] = JobID(info_resp["id"])
        values["_exception"] = ExceptionInfo(
            get("exception_occurred", ""),
            get("exception_severity", ""),
            get("exception_type", ""),
            get("exception_note", ""),
        )
        values["_annotations"] = AnnotationsInfo(get("annotations") or {})
        self.__dict__ = values

    def __getattr__(self, name: str) -> Any:
        compute = JobInfo.COMPUTED.get(name)
        if compute is not None:
            try:
                value = self.__dict__[name] = compute(self)
            except AttributeError:
                raise AttributeError(f"invalid JobInfo attribute '{name}'") from None
            return value
        if not name.startswith("_"):
            try:
                return self.__dict__["_" + name]
            except KeyError:
                pass
        raise AttributeError(f"invalid JobInfo attribute '{name}'")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *JobInfo.COMPUTED]

    @property
    def t_remaining(self) -> float:
        """Seconds until the time limit of a running job, else 0."""
        return self.get_remaining_time()

    def get_remaining_time(self) -> float:
        """See :attr:`t_remaining`."""
        try:
            if self.status != "RUN":
                return 0.0
            return max(0.0, float(self.expiration) - time.time())
        except AttributeError:
            return 0.0

    def get_runtime(self) -> float:
        """Seconds that the job has run."""
        if self.t_run <= 0:
            return 0.0
        return float((self.t_cleanup if self.t_cleanup > 0 else time.time()) - self.t_run)

    def get_instance_info(self) -> JobInfo:
        """Ask the Flux instance that this job is, if it is one, for what ``instance`` shows. Returns self."""
        from rosin.job.instance import InstanceInfo

        running = self.state_single == "R"
        self.__dict__["_instance"] = InstanceInfo(str(self.uri) if running and self.uri else None)
        return self

    def to_dict(self, filtered: bool = True) -> dict[str, Any]:
        """The job as an object for JSON; ``filtered`` leaves out what has no value."""
        result: dict[str, Any] = {}
        for name in (*self.defaults, *self.properties):
            value = getattr(self, name, None)
            if value is not None:
                result[name] = value
        result["jobid"] = self.id.f58  # for readers whose JSON numbers lose bits
        result["annotations"] = _copied(self.annotations.annotationsDict)
        result["exception"] = dict(self.exception.__dict__)
        uri = getattr(self, "uri", None)
        if uri is not None:
            result["uri"] = str(uri)
        if filtered:
            _drop_empty(result)
        return result

    def __repr__(self) -> str:
        return f"<JobInfo {self.id}>"

    def _repr_html_(self) -> str:
        from rosin._html import table

        columns = ("id", "username", "name", "status", "ntasks", "nnodes", "runtime", "contextual_info")
        return table(columns, [[getattr(self, name, None) for name in columns]])


def _copied(obj: Any) -> Any:
    return {key: _copied(value) for key, value in obj.items()} if isinstance(obj, dict) else obj


def _drop_empty(result: dict[str, Any]) -> None:
    for name, value in list(result.items()):
        is_time = name.startswith("t_") or name in ("runtime", "expiration")
        if value == "" or (is_time and value == 0):
            del result[name]
    if not result["exception"]["occurred"]:
        result["exception"] = {"occurred": False}
    if "uri" in result:  # it is in the user's annotations too
        del result["annotations"]["user"]["uri"]
        if not result["annotations"]["user"]:
            del result["annotations"]["user"]


def _uri(info: JobInfo) -> Any:
    """The instance that the job is. It is a memo, and its user can write there what he likes."""
    text = str(getattr(info.user, "uri", None))
    if not text.startswith(("local:", "ssh:")):
        return None
    from rosin.job.uri import JobURI

    return JobURI(text)


def _returncode(info: JobInfo) -> int | str:
    """Exit code, -signal, -128 for a job canceled before it ran, "" while there is none."""
    status = info.waitstatus
    if isinstance(status, int):
        from rosin.process.outcome import return_code

        code = return_code(status)
        return "" if code is None else code
    if info.result_id == FLUX_JOB_RESULT_CANCELED:
        return -128
    return 1 if info.result_id == FLUX_JOB_RESULT_FAILED else ""


def _short_duration(seconds: float) -> str:
    """A duration in four significant digits, as listings show it: 3.000s, 1.017m."""
    for factor, suffix in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= factor:
            return f"{seconds / factor:.4g}{suffix}"
    return f"{seconds:.3f}"[:5] + "s" if seconds else "0s"


def _contextual_info(info: JobInfo) -> Any:
    """Where the job runs or ran, or what it waits for."""
    state = info.state
    if state == "PRIORITY":
        return "priority-wait"
    if state == "DEPEND":
        return f"depends:{info.dependencies}"
    if state != "SCHED":
        return info.nodelist
    estimate = getattr(info.sched, "t_estimate", None)
    if isinstance(estimate, int | float):
        left = estimate - time.time()
        return "eta:now" if left < 0 else f"eta:{_short_duration(left)}"
    if info.urgency == 0:
        return "held"
    return "priority-hold" if info.priority == 0 else ""


def _contextual_time(info: JobInfo) -> Any:
    return info.duration if info.state in ("PRIORITY", "DEPEND", "SCHED") else info.runtime


_EXIT_WORDS = {
    126: "Command invoked cannot execute",
    127: "command not found",
    128: "Invalid argument to exit",
}


def _inactive_reason(info: JobInfo) -> str:
    """Why the job ended, "" while it is active."""
    if info.state != "INACTIVE":
        return ""
    result, exception, code = info.result, info.exception, info.returncode
    if result == "CANCELED":
        note = exception.note if exception.occurred and exception.type == "cancel" else ""
        return f"Canceled: {note}" if note else "Canceled"
    if result == "TIMEOUT":
        return "Timeout"
    if result != "FAILED":
        return f"Exit {code}"
    if exception.occurred and exception.type != "exec" and exception.severity == 0:
        note = f" note={exception.note}" if exception.note else ""
        return f"Exception: type={exception.type}{note}"
    if isinstance(code, int) and code > 128:
        from rosin.process.outcome import signal_text

        return signal_text(code - 128, "Signaled {}")
    return _EXIT_WORDS.get(code, f"Exit {code}") if isinstance(code, int) else f"Exit {code}"


JobInfo.COMPUTED = {
    "sched": lambda info: info.annotations.sched,
    "user": lambda info: info.annotations.user,
    "dependencies": lambda info: DependencyList(info.__dict__.get("_dependencies") or []),
    "state": lambda info: statetostr(info.state_id),
    "state_single": lambda info: statetostr(info.state_id, "S"),
    "state_emoji": lambda info: statetoemoji(info.state_id),
    "result": lambda info: resulttostr(info.result_id),
    "result_abbrev": lambda info: resulttostr(info.result_id, "S"),
    "result_emoji": lambda info: resulttoemoji(info.result_id),
    "status": lambda info: statustostr(info.state_id, info.result_id),
    "status_abbrev": lambda info: statustostr(info.state_id, info.result_id, "S"),
    "status_emoji": lambda info: statustoemoji(info.state_id, info.result_id),
    "username": lambda info: get_username(info.userid),
    "runtime": JobInfo.get_runtime,
    "uri": _uri,
    "returncode": _returncode,
    "contextual_info": _contextual_info,
    "contextual_time": _contextual_time,
    "inactive_reason": _inactive_reason,
}
