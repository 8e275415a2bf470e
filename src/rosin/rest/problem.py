# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 9457 problem details, and the errors of an instance as HTTP statuses."""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from rosin import _json

#: Failed RPCs: errno to status. What is not listed is the caller's or the instance's fault, see below.
_STATUS = {
    errno.ENOENT: 404,
    errno.EPERM: 403,
    errno.EACCES: 403,
    errno.EEXIST: 409,
    errno.EINVAL: 400,
    errno.EPROTO: 400,
    errno.EOVERFLOW: 400,
    errno.E2BIG: 413,
    errno.EAGAIN: 503,
    errno.ENOSYS: 503,
    errno.EHOSTUNREACH: 503,
    errno.ECONNRESET: 503,
    errno.ECONNREFUSED: 503,
    errno.EPIPE: 503,
    errno.ENODEV: 503,
    errno.ETIMEDOUT: 504,
}


class Problem(Exception):
    """An answer that says what is wrong: a status, one sentence, extra members and headers."""

    def __init__(
        self, status: int, detail: str, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members
        self.errno: int | None = None  # of the failed RPC

    def body(self) -> dict[str, Any]:
        """The problem object."""
        title = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }

    def response(self) -> Response:
        """The problem as a response."""
        return Response(_json.dumps(self.body()), self.status, self.headers, "application/problem+json")


def of_error(exc: OSError, default: int = 500) -> Problem:
    """The problem that a failed RPC is."""
    status = _STATUS.get(exc.errno or 0, default)
    headers = {"Retry-After": "1"} if status == 503 else None
    problem = Problem(status, exc.strerror or str(exc), headers)
    problem.errno = exc.errno
    return problem


def unavailable(text: str) -> Problem:
    """The instance cannot be reached now."""
    return Problem(503, text, {"Retry-After": "1"})
