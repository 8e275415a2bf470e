# SPDX-License-Identifier: LGPL-3.0-or-later
"""Each request of ``/rosin/v1`` as a value: what is sent, without sending it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

from rosin import _json
from rosin.client.errors import ApiError
from rosin.client.place import ServerPlace
from rosin.client.types import (
    Check,
    Done,
    Items,
    JobDetail,
    NewJob,
    OutputLines,
    Page,
    Reasons,
)

T = TypeVar("T")
PREFIX = "/rosin/v1"


@dataclass(frozen=True)
class ApiCall(Generic[T]):
    """A request whose answer is a T."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The path with its parameters; those that are None are left out."""
        given = {name: _parameter(value) for name, value in self.query.items() if value is not None}
        return PREFIX + self.path + (f"?{urlencode(given)}" if given else "")

    @property
    def content(self) -> bytes | None:
        """The body as JSON."""
        return None if self.body is None else _json.dumps(self.body)

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it."""
        return self.method == "GET" or "Idempotency-Key" in self.headers

    def decode(self, status: int, data: bytes, retry_after: str | None) -> T:
        """The answer. Raises ApiError."""
        try:
            obj = _json.loads(data) if data else None
        except ValueError:
            obj = None
            if status < 400:
                raise ApiError(status, "the server answers with what is not JSON") from None
        if status >= 400:
            raise ApiError.of(status, obj, retry_after)
        return cast(T, obj)


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(map(str, value))
    return str(value)


def job_path(jobid: str | int, *more: str) -> str:
    """The path of a job, and of something of it."""
    return "/".join(["/jobs", quote(str(jobid), safe=""), *more])


def listing(parameters: Mapping[str, Any]) -> ApiCall[Page]:
    return ApiCall("GET", "/jobs", parameters)


def job(jobid: str | int) -> ApiCall[JobDetail]:
    return ApiCall("GET", job_path(jobid))


def why(jobid: str | int) -> ApiCall[Reasons]:
    return ApiCall("GET", job_path(jobid, "why"))


def timeline(jobid: str | int) -> ApiCall[dict[str, Any]]:
    return ApiCall("GET", job_path(jobid, "timeline"))


def lines(jobid: str | int, parameters: Mapping[str, Any]) -> ApiCall[OutputLines]:
    return ApiCall("GET", job_path(jobid, "lines"), parameters)


def submit(request: Mapping[str, Any], key: str | None) -> ApiCall[NewJob]:
    """``key``: makes a repeated request harmless; a new one by default."""
    return ApiCall("POST", "/jobs", body=dict(request), headers={"Idempotency-Key": key or str(uuid.uuid4())})


def check(request: Mapping[str, Any]) -> ApiCall[Check]:
    return ApiCall("POST", "/jobs/check", body=dict(request))


def submit_many(jobs: Iterable[Mapping[str, Any]], key: str | None) -> ApiCall[Items]:
    body = {"jobs": [dict(job) for job in jobs]}
    return ApiCall("POST", "/jobs/bulk", body=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})


def resubmit(jobid: str | int, changes: Mapping[str, Any], key: str | None) -> ApiCall[NewJob]:
    headers = {"Idempotency-Key": key or str(uuid.uuid4())}
    return ApiCall("POST", job_path(jobid, "resubmit"), body={"changes": dict(changes)}, headers=headers)


def act(jobid: str | int, action: str, arguments: Mapping[str, Any]) -> ApiCall[Done]:
    """cancel, signal, hold, release, urgency, update, input: what a job is asked to do."""
    body = {name: value for name, value in arguments.items() if value is not None}
    return ApiCall("POST", job_path(jobid, action), body=body or None)


def act_on_many(request: Mapping[str, Any]) -> ApiCall[Items]:
    return ApiCall("POST", "/jobs/actions", body={k: v for k, v in request.items() if v is not None})


def get(path: str, parameters: Mapping[str, Any] | None = None) -> ApiCall[dict[str, Any]]:
    """``/instance``, ``/overview``, ``/resources``, ``/queues``."""
    return ApiCall("GET", path, parameters or {})


def post(path: str, body: Mapping[str, Any]) -> ApiCall[dict[str, Any]]:
    """``/resources/drain`` and so on."""
    return ApiCall("POST", path, body={name: value for name, value in body.items() if value is not None})


def queue(name: str, action: str, reason: str | None) -> ApiCall[dict[str, Any]]:
    return post(f"/queues/{quote(name, safe='')}/{action}", {"reason": reason})


def output(jobid: str | int, parameters: Mapping[str, Any]) -> ApiCall[bytes]:
    """What a job has written, as bytes; to be streamed."""
    return ApiCall(
        "GET", job_path(jobid, "output"), parameters, headers={"Accept": "application/octet-stream"}
    )


def events(parameters: Mapping[str, Any]) -> ApiCall[bytes]:
    """What happens, a line each; to be streamed."""
    return ApiCall("GET", "/events", parameters, headers={"Accept": "application/x-ndjson"})


def headers_of(place: ServerPlace, call: ApiCall[Any]) -> dict[str, str]:
    """What is sent with a request."""
    headers = {"Host": place.name, "Accept": "application/json", **call.headers}
    if place.authorization is not None:
        headers["Authorization"] = place.authorization
    if call.content is not None:
        headers["Content-Type"] = "application/json"
    return headers


def unreachable(place: ServerPlace, exc: BaseException) -> ApiError:
    """There was no answer, or only a part of one."""
    where = place.path or f"{place.host}:{place.port}"
    text = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return ApiError(0, f"{where}: {text}")
