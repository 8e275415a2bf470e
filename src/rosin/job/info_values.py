# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: values of listed jobs: names of states and users, exceptions, annotations, dependencies."""

from __future__ import annotations

import time

from rosin.constants import FLUX_JOB_STATE_INACTIVE
from rosin.rfc import states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def statetostr(stateid: int, fmt: str = "L") -> str:
    """Name of a state: ``L`` RUN, ``l`` run, ``S`` R, ``s`` r."""
    return states.state_name(stateid, fmt)


def resulttostr(resultid: int | str, fmt: str = "L") -> str:
    """Name of a result: ``L`` COMPLETED, ``l`` completed, ``S`` CD, ``s`` cd; "" for "" (not known yet)."""
    return "" if resultid == "" else states.result_name(int(resultid), fmt)


def statustostr(stateid: int, resultid: int | str, fmt: str = "L") -> str:
    """The state of an active job, the result of an inactive one."""
    return resulttostr(resultid, fmt) if stateid == FLUX_JOB_STATE_INACTIVE else statetostr(stateid, fmt)


#: A job in a word, which progress is counted by, for each state and result.
PROGRESS = {
    "NEW": "pending",
    "DEPEND": "pending",
    "PRIORITY": "pending",
    "SCHED": "pending",
    "RUN": "running",
    "CLEANUP": "running",
    "COMPLETED": "complete",
    "FAILED": "failed",
    "CANCELED": "failed",
    "TIMEOUT": "failed",
}


def _shown(picture: str, plain: str) -> str:
    """A picture, or what stands for it where the output cannot show it."""
    import sys

    try:
        picture.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return plain
    return picture


def statetoemoji(stateid: int) -> str:
    """A picture of a state, or its abbreviation where the output cannot show it."""
    return _shown(states.STATE_EMOJI[stateid], statetostr(stateid, "S"))


def resulttoemoji(resultid: int | str) -> str:
    """A picture of a result, or an ASCII face; "" (not known yet) gives a blank as wide."""
    return _shown("\u3000", "") if resultid == "" else _shown(*states.RESULT_EMOJI[int(resultid)])


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

    def __init__(self, occurred: Any, severity: Any, _type: Any, note: Any) -> None:
        self.occurred = occurred
        self.severity = severity
        self.type = _type
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

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

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
    try:
        begin = time.localtime(float(dependency.partition("=")[2]))
    except (ValueError, OverflowError, OSError):  # no time, or one beyond all calendars
        return dependency
    today = begin[:3] == time.localtime()[:3]
    text = "begin@" + time.strftime("%H:%M" if today else "%b%d-%H:%M", begin)
    return text + (f":{begin.tm_sec:02d}" if begin.tm_sec else "")
