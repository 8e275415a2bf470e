# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 32: the payloads between job manager and execution service, and the order of a start's responses.

``SERVICE.start`` carries matchtag 0; what belongs together is told by ``id``. Every ``decode`` raises
FormatError that names the message and the key. Keys that the RFC does not have are passed over.
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.rfc.payload import describe, field, int_field
from rosin.rfc.protocol import MAX_ID, MAX_USERID
from rosin.rfc.protocol import read as payload_of

#: Types of responses.
TYPES = ("start", "reattached", "release", "exception", "finish")
#: ``ranks`` of a release that frees whatever the job has: not in the RFC, but in what flux-core sends.
ALL = "all"

_ONCE = ("start", "reattached", "finish")
_MAX_SEVERITY = 7
_MAX_STATUS = 2**31 - 1


def hello(service: str) -> dict[str, Any]:
    """Return the request ``job-manager.exec-hello``."""
    return {"service": service}


def service_name(obj: Any) -> str:
    """Read ``job-manager.exec-hello``. Raises FormatError."""

    def read(obj: Any) -> str:
        name = field(obj, "service", str)
        if not name:
            raise FormatError("payload: field 'service': the name is empty")
        return name

    return payload_of("exec-hello", obj, read)


class StartRequest:
    """``SERVICE.start``.

    Attributes:
        id, userid: job and owner.
        jobspec, R: objects, not looked into; flux-core leaves out the environment and ``scheduling``.
        reattach: the shells run already and are to be recovered.
    """

    __slots__ = ("R", "id", "jobspec", "reattach", "userid")

    def __init__(
        self, id: int, userid: int, jobspec: dict[str, Any], R: dict[str, Any], reattach: bool = False
    ) -> None:
        self.id = id
        self.userid = userid
        self.jobspec = jobspec
        self.R = R
        self.reattach = reattach

    @staticmethod
    def decode(obj: Any) -> StartRequest:
        """Read the request. Raises FormatError."""
        return payload_of(
            "start",
            obj,
            lambda obj: StartRequest(
                int_field(obj, "id", 0, MAX_ID),
                int_field(obj, "userid", 0, MAX_USERID),
                field(obj, "jobspec", dict),
                field(obj, "R", dict),
                field(obj, "reattach", bool),
            ),
        )

    def encode(self) -> dict[str, Any]:
        """Return the payload."""
        return {
            "id": self.id,
            "userid": self.userid,
            "jobspec": self.jobspec,
            "R": self.R,
            "reattach": self.reattach,
        }


class StartResponse:
    """A response to ``SERVICE.start``.

    Attributes:
        id, type: job, and one of TYPES.
        data: what goes with the type, checked: ``{ranks, final}`` of release, ``{severity, type, note?}`` of
            exception, ``{status}`` of finish.
    """

    __slots__ = ("data", "id", "type")

    def __init__(self, id: int, type: str, data: dict[str, Any] | None = None) -> None:
        self.id = id
        self.type = type
        self.data: dict[str, Any] = data or {}

    @staticmethod
    def decode(obj: Any) -> StartResponse:
        """Read a response. Raises FormatError."""

        def read(obj: Any) -> StartResponse:
            kind = field(obj, "type", str)
            if kind not in TYPES:
                raise FormatError(f"payload: unknown type {describe(kind)}: expected {', '.join(TYPES)}")
            new = StartResponse(int_field(obj, "id", 0, MAX_ID), kind, field(obj, "data", dict))
            new._check()
            return new

        return payload_of("start response", obj, read)

    def _check(self) -> None:
        data = self.data
        if self.type == "release":
            field(data, "final", bool)
            ranks = field(data, "ranks", str)
            try:
                Idset("" if ranks == ALL else ranks)
            except FormatError as error:
                raise FormatError(f"payload: field 'ranks': {error}") from None
        elif self.type == "exception":
            int_field(data, "severity", 0, _MAX_SEVERITY)
            field(data, "type", str)
            field(data, "note", (str, type(None)), None)
        elif self.type == "finish":
            int_field(data, "status", 0, _MAX_STATUS)

    def encode(self) -> dict[str, Any]:
        """Return the payload."""
        return {"id": self.id, "type": self.type, "data": self.data}

    @property
    def final(self) -> bool:
        """It is the end of the stream."""
        return self.type == "release" and bool(self.data["final"])


class StartStream:
    """Checks the order of the responses to one start request.

    ``start``, or ``reattached`` if that was asked for, comes once at most, as does ``finish``; after a final
    release there is nothing.

    Attributes:
        done: the final release has come.
    """

    __slots__ = ("_seen", "done", "reattach")

    def __init__(self, reattach: bool = False) -> None:
        self.reattach = reattach
        self.done = False
        self._seen: tuple[str, ...] = ()

    def take(self, response: StartResponse) -> None:
        """Take the next response. Raises FormatError when it cannot come now."""
        kind = response.type
        fault = None
        if self.done:
            fault = "comes after the final release"
        elif kind in self._seen:
            fault = "occurs twice"
        elif kind == ("start" if self.reattach else "reattached"):
            fault = f"answers a request {'with' if self.reattach else 'without'} reattach"
        if fault:
            raise FormatError(f"start response: {kind} {fault}")
        if kind in _ONCE:
            self._seen += (kind,)
        self.done = response.final
