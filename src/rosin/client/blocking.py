# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client that blocks."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rosin import _json
from rosin.client import calls
from rosin.client.calls import ApiCall
from rosin.client.errors import ApiError
from rosin.client.place import ServerPlace, place_of
from rosin.client.types import (
    Check,
    Done,
    Happening,
    Items,
    JobDetail,
    JobRecord,
    NewJob,
    OutputLines,
    Page,
    Reasons,
)

if TYPE_CHECKING:
    from rosin.client.terminal import RemoteTerminal

T = TypeVar("T")
_CHUNK = 1 << 16
#: Seconds without anything on a stream after which it is dead: the server sends something every 15.
_SILENCE = 60.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """A server of ``rosin serve``; also a context manager.

    ``url``: ``http://HOST:PORT``, ``https://HOST:PORT`` or ``unix:PATH``; by default ROSIN_URL, then port
    5000 of this machine. ``token`` (ROSIN_TOKEN, ROSIN_TOKEN_FILE), or ``user`` and ``password``.
    ``timeout`` in seconds is for connecting and for each answer. Methods raise
    :class:`~rosin.client.errors.ApiError`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        cafile: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._place = place_of(url, token, user, password, cafile)
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- requests ---------------------------------------------------------------------------------

    def call(self, call: ApiCall[T]) -> T:
        """Send a request and return its answer. Raises ApiError."""
        kept = self._connection is not None
        try:
            return self._send(call)
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            # A connection that was kept may just have been closed by the server.
            if kept and call.repeatable and not isinstance(exc, TimeoutError):
                try:
                    return self._send(call)
                except (OSError, http.client.HTTPException) as again:
                    exc = again
                    self.close()
            raise calls.unreachable(self._place, exc) from exc

    def _send(self, call: ApiCall[T]) -> T:
        if self._connection is None:
            self._connection = _connect(self._place, self._timeout)
        response = _ask(self._connection, self._place, call)
        data = response.read()
        return call.decode(response.status, data, response.headers.get("Retry-After"))

    @contextmanager
    def _stream(self, call: ApiCall[bytes]) -> Iterator[http.client.HTTPResponse]:
        connection = _connect(self._place, max(self._timeout, _SILENCE))
        try:
            response = _ask(connection, self._place, call)
            if response.status >= 400:
                call.decode(response.status, response.read(), response.headers.get("Retry-After"))
            yield response
        except (OSError, http.client.HTTPException) as exc:
            raise calls.unreachable(self._place, exc) from exc
        finally:
            connection.close()

    # -- jobs -------------------------------------------------------------------------------------

    def jobs(self, **parameters: Any) -> Page:
        """A page of jobs: ``q``, ``state``, ``user``, ..., ``sort``, ``fields``, ``limit``, ``cursor``."""
        return self.call(calls.listing(parameters))

    def each_job(self, **parameters: Any) -> Iterator[JobRecord]:
        """All jobs that match, page by page."""
        page = self.jobs(**{"limit": 1000, "counts": False, **parameters})
        while True:
            yield from page["items"]
            if page["next"] is None:
                return
            page = self.jobs(**{"limit": 1000, "counts": False, **parameters, "cursor": page["next"]})

    def job(self, jobid: str | int) -> JobDetail:
        """A job with its jobspec and resources."""
        return self.call(calls.job(jobid))

    def submit(self, *, key: str | None = None, **request: Any) -> NewJob:
        """Submit a job: ``command=["hostname"]``, ``ntasks=2``, ``script=...``, ``jobspec=...``."""
        return self.call(calls.submit(request, key))

    def check(self, **request: Any) -> Check:
        """What a submission would be, without doing it."""
        return self.call(calls.check(request))

    def submit_many(self, jobs: Iterable[Mapping[str, Any]], key: str | None = None) -> Items:
        """Submit many jobs; each has a status of its own."""
        return self.call(calls.submit_many(jobs, key))

    def resubmit(self, jobid: str | int, *, key: str | None = None, **changes: Any) -> NewJob:
        """Submit the same job once more, with changes."""
        return self.call(calls.resubmit(jobid, changes, key))

    def why(self, jobid: str | int) -> Reasons:
        """What a job waits for."""
        return self.call(calls.why(jobid))

    def timeline(self, jobid: str | int) -> list[dict[str, Any]]:
        """All events of a job."""
        items: list[dict[str, Any]] = self.call(calls.timeline(jobid))["items"]
        return items

    def cancel(self, jobid: str | int, reason: str | None = None) -> Done:
        """Ask a job to end."""
        return self.call(calls.act(jobid, "cancel", {"reason": reason}))

    def signal(self, jobid: str | int, signal: int | str) -> Done:
        """Send a signal to a running job's tasks."""
        return self.call(calls.act(jobid, "signal", {"signal": signal}))

    def hold(self, jobid: str | int) -> Done:
        """Keep a pending job from starting."""
        return self.call(calls.act(jobid, "hold", {}))

    def release(self, jobid: str | int) -> Done:
        """Let a held job start."""
        return self.call(calls.act(jobid, "release", {}))

    def urgency(self, jobid: str | int, urgency: int) -> Done:
        """Change the urgency of a pending job."""
        return self.call(calls.act(jobid, "urgency", {"urgency": urgency}))

    def update(self, jobid: str | int, **changes: Any) -> Done:
        """Change ``duration``, ``queue``, ``name`` or ``attributes`` of a job."""
        return self.call(calls.act(jobid, "update", changes))

    def input(self, jobid: str | int, data: str = "", end: bool = False, ranks: str = "all") -> Done:
        """Give a running job something to read, or the end of it."""
        return self.call(calls.act(jobid, "input", {"data": data, "end": end, "ranks": ranks}))

    def act(self, action: str, **request: Any) -> Items:
        """The same for many jobs: ``ids=[...]``, or ``q`` and ``state``; ``arguments``, ``dry_run``."""
        return self.call(calls.act_on_many({"action": action, **request}))

    # -- output and events ------------------------------------------------------------------------

    def lines(self, jobid: str | int, **parameters: Any) -> OutputLines:
        """A range of lines: ``start``, ``count``, ``stream``, ``rank``, ``search``."""
        return self.call(calls.lines(jobid, parameters))

    def output(self, jobid: str | int, **parameters: Any) -> Iterator[bytes]:
        """What a job has written until now, in pieces: ``stream``, ``rank``."""
        with self._stream(calls.output(jobid, parameters)) as response:
            while data := response.read1(_CHUNK):
                yield data

    def events(self, **parameters: Any) -> Iterator[Happening]:
        """What happens, until ``gone``. ``topics``, ``jobs``, ``output``, ``fields``, ``since``.

        A broken connection is made again, and goes on where it was: nothing is missed or told twice.
        """
        wanted, broken = dict(parameters), False
        while True:
            try:
                with self._stream(calls.events(wanted)) as response:
                    for line in response:
                        record: Happening = _json.loads(line)
                        if record["event"] == "keep-alive" or (broken and record["event"] == "hello"):
                            continue
                        broken = False
                        wanted["since"] = record.get("position") or wanted.get("since")
                        yield record
                        if record["event"] == "gone":
                            return
            except ApiError as exc:
                if exc.status or broken or "since" not in wanted:
                    raise
            broken = True

    def wait(self, jobid: str | int) -> JobDetail:
        """Wait for the end of a job."""
        position = self.jobs(limit=0, counts=False)["position"]
        job = self.job(jobid)
        if job["state"] == "INACTIVE":
            return job
        for record in self.events(topics="jobs", jobs=job["id"], fields="state", since=position):
            if record["event"] == "gone":
                raise ApiError(503, str(record["data"]["reason"]))
            if record["event"] == "reset" or record["data"].get("name") == "clean":
                job = self.job(jobid)
                if job["state"] == "INACTIVE":
                    return job
        raise ApiError(503, "the server ended the stream of events")

    def terminal(self, jobid: str | int, columns: int = 80, rows: int = 24) -> RemoteTerminal:
        """Attach to the terminal of a running job that was submitted with ``pty=True``."""
        from rosin.client.terminal import RemoteTerminal

        return RemoteTerminal(self._place, jobid, columns, rows, self._timeout)

    # -- the instance -----------------------------------------------------------------------------

    def instance(self) -> dict[str, Any]:
        """Whose instance it is, and where it stands."""
        return self.call(calls.get("/instance"))

    def overview(self, **parameters: Any) -> dict[str, Any]:
        """What runs, what waits and why."""
        return self.call(calls.get("/overview", parameters))

    def resources(self, **parameters: Any) -> dict[str, Any]:
        """Nodes and what runs where."""
        return self.call(calls.get("/resources", parameters))

    def drain(self, targets: str, reason: str | None = None, mode: str | None = None) -> dict[str, Any]:
        """Let nodes take no more jobs."""
        return self.call(calls.post("/resources/drain", {"targets": targets, "reason": reason, "mode": mode}))

    def undrain(self, targets: str) -> dict[str, Any]:
        """Let nodes take jobs again."""
        return self.call(calls.post("/resources/undrain", {"targets": targets}))

    def queues(self) -> list[dict[str, Any]]:
        """All queues."""
        items: list[dict[str, Any]] = self.call(calls.get("/queues"))["items"]
        return items

    def queue(self, name: str, action: str, reason: str | None = None) -> dict[str, Any]:
        """``start``, ``stop``, ``enable`` or ``disable`` a queue, or ``all``."""
        return self.call(calls.queue(name, action, reason))


def _connect(place: ServerPlace, timeout: float) -> http.client.HTTPConnection:
    if place.path is not None:
        return _UnixConnection(place.path, timeout)
    if place.tls:
        context = ssl.create_default_context(cafile=place.cafile)
        return http.client.HTTPSConnection(place.host, place.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(place.host, place.port, timeout=timeout)


def _ask(
    connection: http.client.HTTPConnection, place: ServerPlace, call: ApiCall[Any]
) -> http.client.HTTPResponse:
    headers = calls.headers_of(place, call)
    connection.request(call.method, call.target, call.content, headers)
    return connection.getresponse()
