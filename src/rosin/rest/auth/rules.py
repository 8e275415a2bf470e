# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a request needs: a scope of its credentials, and of a guest that the job is theirs.

What is not listed is for the instance's owner alone, and to change it takes the scope ``admin``: a new path
is closed until it is listed.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from rosin.rest.auth.identity import ADMIN, CONTROL, READ, SUBMIT

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_API = r"(?:/v1|/api/v1|/rosin/v1)?"
_JOBS = rf"{_API}/jobs?"
_JOB = rf"{_JOBS}/(?P<job>[^/]+)"


class Guests(enum.Enum):
    """What guests may do of something (RFC 12)."""

    ALL = enum.auto()
    OWN = enum.auto()
    NONE = enum.auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of request needs; ``scope`` None if any known client may, or the route decides."""

    scope: str | None
    guests: Guests
    job: str | None = None


_Row = tuple[re.Pattern[str], str | None, Guests, str | None, Guests]


def _row(pattern: str, look: str | None, who: Guests, change: str | None, whose: Guests) -> _Row:
    """A path; the scope to look at it, and what guests may see; the same to change it."""
    return re.compile(pattern, re.DOTALL), look, who, change, whose


_ALL, _OWN, _NONE = Guests.ALL, Guests.OWN, Guests.NONE
#: The first that matches counts. Guests see what flux-core shows them: all jobs, but not what others' have.
_TABLE: tuple[_Row, ...] = (
    _row(r"(?:/rosin/v1)?/(?:health|ready)", READ, _ALL, ADMIN, _NONE),
    _row(r"/|/about|/tokens|/webhooks|/docs|/openapi\.json|/static/.*|\*", READ, _ALL, ADMIN, _NONE),
    _row(r"/v1/token|/v1/login/access-token", None, _ALL, None, _ALL),
    _row(r"/rosin/v1/(?:session|tokens(?:/.*)?)", None, _ALL, None, _ALL),
    # The routes take of a guest what is signed by the guest, and look whether the job is theirs.
    _row(r"/rosin/v1/jobs(?:/(?:bulk|check))?", READ, _ALL, SUBMIT, _ALL),
    _row(r"/rosin/v1/jobs/actions", READ, _NONE, CONTROL, _ALL),
    _row(rf"{_JOBS}|{_JOBS}/submit", READ, _ALL, SUBMIT, _NONE),
    _row(rf"{_JOBS}/search", READ, _ALL, ADMIN, _NONE),
    # To start a job anew, or to look into its directory, is done with the rights of the server's account. A
    # guest must not borrow them, nor do what only an owner can, such as to change a limit of time.
    # A directory may be a home, where the keys to everything are: to read it is as much as to run programs.
    _row(rf"{_JOB}/(?:resubmit|clone|exec|files)(?:/.*)?", SUBMIT, _NONE, SUBMIT, _NONE),
    # To write to a job is to run programs.
    _row(rf"{_JOB}/(?:input|stdin|pty|terminal|attach)(?:/.*)?", READ, _OWN, SUBMIT, _OWN),
    _row(rf"{_JOB}(?:/(?:cancel|signal|hold|release|urgency))?", READ, _OWN, CONTROL, _OWN),
    _row(rf"{_JOB}/.*", READ, _OWN, CONTROL, _NONE),
    _row(rf"{_API}/(?:nodes|resources|instance|overview|queues|events)", READ, _ALL, ADMIN, _NONE),
    _row(rf"{_API}/webhooks(?:/.*)?", READ, _NONE, CONTROL, _NONE),
)


def rule(method: str, path: str, websocket: bool = False) -> Rule:
    """What a request needs. A WebSocket may change what it looks at, unless it is of events."""
    safe = path.endswith("/events") if websocket else method in _SAFE
    for pattern, look, who, change, whose in _TABLE:
        match = pattern.fullmatch(path)
        if match is not None:
            return Rule(look if safe else change, who if safe else whose, match.groupdict().get("job"))
    return Rule(READ if safe else ADMIN, Guests.NONE)
