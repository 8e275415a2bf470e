# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a server says when it does not do what it was asked."""

from __future__ import annotations

from typing import Any

#: Seconds that a server may have one wait before the next try, whatever it or a proxy says.
LONGEST = 60.0


class ApiError(Exception):
    """A refusal (RFC 9457).

    Attributes:
        status: the HTTP status; 0 when there was no answer.
        detail: one sentence.
        errors: wrong members of the request, each with ``field`` and ``detail``.
        retry_after: seconds after which it is worth to try again, None if that is not known.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.retry_after = retry_after

    @classmethod
    def of(cls, status: int, body: Any, retry_after: str | None) -> ApiError:
        """The error of an answer."""
        detail, errors = f"the server answers {status}", None
        if isinstance(body, dict):
            detail = str(body.get("detail") or body.get("Message") or detail)
            found = body.get("errors")
            errors = found if isinstance(found, list) else None
        seconds = min(float(retry_after), LONGEST) if retry_after and retry_after.isdecimal() else None
        return cls(status, detail, errors, seconds)
