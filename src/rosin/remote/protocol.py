# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: the requests to a subprocess server, and its responses, as clients see them (pure)."""

from __future__ import annotations

from rosin.constants import SUBPROCESS_REXEC_STDERR, SUBPROCESS_REXEC_STDOUT
from rosin.rfc import ioencode
from rosin.rfc.payload import field, int_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rosin.rfc.message import Message

#: Flags of a request: standard output and standard error are sent.
OUTPUTS = SUBPROCESS_REXEC_STDOUT | SUBPROCESS_REXEC_STDERR
#: Local flags: the process has the server's standard streams; it stays in the server's process group.
STDIO_FALLTHROUGH, NO_SETPGRP = 1, 2
#: ``opts`` key: fork the process from the broker's zygote and call this ``pkg.mod:func`` in it.
ZYGOTE_OPTION = "ROSIN_ZYGOTE"
#: ``opts`` key: send output in pieces of many whole lines, for clients that find the lines by themselves.
CHUNKS_OPTION = "ROSIN_CHUNKS"
#: ``opts`` key: the process outlives a broker that is killed, where that is possible.
KEEP_OPTION = "ROSIN_KEEP"
_MAX_PID = 2**31 - 1
_MAX_SHARE = 1 << 30


def command(
    cmdline: list[str],
    env: Mapping[str, str],
    opts: Mapping[str, str] | None = None,
    cwd: str | None = None,
    label: str | None = None,
) -> dict[str, Any]:
    """The command object: what to run. An empty *env* stands for the server's."""
    obj: dict[str, Any] = {"cmdline": cmdline, "env": env, "opts": opts or {}, "channels": []}
    if cwd is not None:
        obj["cwd"] = cwd
    if label is not None:
        obj["label"] = label
    return obj


def exec_request(cmd: dict[str, Any], flags: int = OUTPUTS) -> dict[str, Any]:
    """The payload of ``exec``; a streaming request is one of a process in the foreground."""
    return {"cmd": cmd, "flags": flags, "local_flags": 0}


def attach_request(target: str, flags: int = OUTPUTS) -> dict[str, Any]:
    """The payload of ``attach``; *target* is a process id or a label."""
    if target.isdecimal():
        return {"flags": flags, "pid": int(target)}
    return {"flags": flags, "pid": -1, "label": target}


def write_request(matchtag: int, stream: str, data: bytes, eof: bool) -> dict[str, Any]:
    """The payload of ``write``: input for the process that the request with this matchtag started."""
    return {"matchtag": matchtag, "io": ioencode.encode_data(stream, 0, data or None, eof)}


def kill_request(pid: int, signum: int) -> dict[str, Any]:
    """The payload of ``kill``."""
    return {"pid": pid, "signum": signum}


def drain_request(request: Message) -> dict[str, Any]:
    """The payload of ``overlay.drain``: the way of the responses to a request, whose last hop is the next."""
    return {"route": [hop.decode("latin-1") for hop in request.route or ()]}


def drain_share(answer: Any) -> int:
    """The answer: how many bytes one of those who send to the same client may send ahead."""
    share: int = int_field(answer, "share", 1, _MAX_SHARE)
    return share


def keep_request(label: str) -> dict[str, Any]:
    """The payload of ``keep``, which only Rosin's servers know: the process is to outlive its client."""
    return {"pid": -1, "label": label}


class Response:
    """One response to ``exec`` or ``attach``.

    ``type`` is ``started``, ``attached``, ``stopped``, ``output``, ``finished`` or ``add-credit``. ``pid``
    (of the first two), ``io`` (of an output), ``status`` (a wait status) and ``credit`` (stream -> bytes that
    may be written more) are None in the others.
    """

    __slots__ = ("credit", "io", "pid", "status", "type")

    def __init__(self, payload: dict[str, Any]) -> None:
        """Raises FormatError that names the key at fault."""
        self.type: str = field(payload, "type", str)
        self.pid: int | None = None
        self.io: ioencode.Data | None = None
        self.status: int | None = None
        self.credit: dict[str, int] | None = None
        if self.type == "output":
            self.io = ioencode.decode_data(field(payload, "io", dict))
        elif self.type in ("started", "attached"):
            self.pid = int_field(payload, "pid", 1, _MAX_PID)
        elif self.type == "finished":
            self.status = field(payload, "status", int)
        elif self.type == "add-credit":
            channels = field(payload, "channels", dict)
            self.credit = {stream: field(channels, stream, int) for stream in channels}
