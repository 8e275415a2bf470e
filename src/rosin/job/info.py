# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: one listed job as an object, with the values that are computed from its attributes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from rosin.constants import (
    FLUX_JOB_RESULT_CANCELED,
    FLUX_JOB_RESULT_FAILED,
    FLUX_JOB_STATE_INACTIVE,
)
from rosin.job.jobid import JobID
from rosin.rfc import states

if TYPE_CHECKING:
    from collections.abc import Callable


def statetostr(stateid: int, fmt: str = "L") -> str:
    """Name of a state: ``L`` RUN, ``l`` run, ``S`` R, ``s`` r."""
    return states.state_name(stateid, fmt)


def resulttostr(resultid: int | str, fmt: str = "L") -> str:
    """Name of a result: ``L`` COMPLETED, ``l`` completed, ``S`` CD, ``s`` cd; "" for "" (not known yet)."""
    return "" if resultid == "" else states.result_name(int(resultid), fmt)


def statustostr(stateid: int, resultid: int | str, fmt: str = "L") -> str:
    """The state of an active job, the result of an inactive one."""
    return resulttostr(resultid, fmt) if stateid == FLUX_JOB_STATE_INACTIVE else statetostr(stateid, fmt)


_EMOJI = {
    "N": "\U0001f381",
    "D": "\U0001f6d1",
    "P": "\U0001f6a6",
    "S": "\U0001f4c5",
    "R": "\U0001f3c3",
    "C": "\U0001f5d1",
    "I": "\U0001f480",
    "CD": "\U0001f600",
    "F": "\U0001f4a9",
    "CA": "\U0001f4a5",
    "TO": "\u231b",
    "": "\u3000",
}
_ASCII = {"CD": ":-)", "F": ":'-(", "CA": "%-|", "TO": "(-_-)", "": ""}


def _emoji(abbreviation: str) -> str:
    import sys

    symbol = _EMOJI[abbreviation]
    try:
        symbol.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return _ASCII.get(abbreviation, abbreviation)
    return symbol


def statetoemoji(stateid: int) -> str:
    """A picture of a state, or its abbreviation where the output cannot show it."""
    return _emoji(statetostr(stateid, "S"))


def resulttoemoji(resultid: int | str) -> str:
    """A picture of a result, or an ASCII face."""
    return _emoji(resulttostr(resultid, "S"))


def statustoemoji(stateid: int, resultid: int | str) -> str:
    """A picture of :func:`statustostr`."""
    return resulttoemoji(resultid) if stateid == FLUX_JOB_STATE_INACTIVE else statetoemoji(stateid)


_usernames: dict[int, str] = {}


def get_username(userid: int) -> str:
    """Name of a user, or the number as text."""
    name = _usernames.get(userid)
    if name is None:
        import pwd

        try:
            name = pwd.getpwuid(userid).pw_name
        except (KeyError, OverflowError):
            name = str(userid)
        _usernames[userid] = name
    return name


class EmptyObject:
    """Stands for a value that is not there: every attribute is empty too, and it formats as nothing."""

    def __getattr__(self, name: str) -> EmptyObject:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format("", spec.rstrip("bcdoxXeEfFgGn%"))


EMPTY = EmptyObject()


class ExceptionInfo:
    """The gravest exception of a job; each attribute is "" while the job is active or when there was none."""

    def __init__(self, occurred: Any, severity: Any, type: Any, note: Any) -> None:
        self.occurred = occurred
        self.severity = severity
        self.type = type
        self.note = note


class AnnotationsInfo:
    """The annotations of a job, one attribute for each key; what is not there is an EmptyObject."""

    def __init__(self, annotationsDict: dict[str, Any]) -> None:
        self.annotationsDict = annotationsDict

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            value = self.__dict__["annotationsDict"][name]
        except KeyError:
            return EMPTY
        return AnnotationsInfo(value) if isinstance(value, dict) else value

    def __repr__(self) -> str:
        if not self.annotationsDict:
            return ""
        import json

        return json.dumps(self.annotationsDict)


class InfoList(list[str]):
    """A list that prints as comma-separated words."""

    def __str__(self) -> str:
        return ",".join(self)


class DependencyList(InfoList):
    """The dependencies of a job; begin times are shown as the time of day, or date and time."""

    def __init__(self, items: list[str]) -> None:
        super().__init__(_begin(item) if item.startswith("begin-time=") else item for item in items)


def _begin(dependency: str) -> str:
    begin = time.localtime(float(dependency.partition("=")[2]))
    today = begin[:3] == time.localtime()[:3]
    text = "begin@" + time.strftime("%H:%M" if today else "%b%d-%H:%M", begin)
    return text + (f":{begin.tm_sec:02d}" if begin.tm_sec else "")


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
            value = self.__dict__[name] = compute(self)
            return value
        if not name.startswith("_"):
            try:
                return self.__dict__["_" + name]
            except KeyError:
                pass
        raise AttributeError(f"invalid JobInfo attribute '{name}'")

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
    text = str(info.user.uri)
    if not text:
        return None
    from rosin.job.uri import JobURI

    return JobURI(text)


def _returncode(info: JobInfo) -> int | str:
    """Exit code, -signal, -128 for a job canceled before it ran, "" while there is none."""
    status = info.waitstatus
    if isinstance(status, int):
        if os.WIFSIGNALED(status):
            return -os.WTERMSIG(status)
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else ""
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
    estimate = info.sched.t_estimate
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
        import signal

        try:
            return signal.strsignal(code - 128) or f"Signaled {code - 128}"
        except ValueError:
            return f"Signaled {code - 128}"
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
