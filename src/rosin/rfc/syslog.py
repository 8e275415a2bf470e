# SPDX-License-Identifier: LGPL-3.0-or-later
"""Log lines as Flux's ``log`` service carries them: the RFC 5424 header without structured data.

``<PRI>1 TIMESTAMP HOSTNAME APPNAME PROCID MSGID - TEXT``; Flux puts the broker rank into HOSTNAME. The
timestamp is UTC with microseconds. RFC 5424 computes PRI as facility * 8 + severity; flux-core has the two
the other way round, with facility 0, and on the wire flux-core wins.
"""

from __future__ import annotations

import time

from rosin.errors import FormatError

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


def encode(
    severity: int,
    text: str,
    *,
    appname: str = "-",
    procid: object = "-",
    hostname: str = "-",
    timestamp: float | None = None,
) -> bytes:
    """One line, without a newline at its end."""
    now = time.time() if timestamp is None else timestamp
    whole = int(now)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    micros = int((now - whole) * 1e6)
    line = f"<{severity << 3}>1 {stamp}.{micros:06d}Z {hostname} {appname} {procid} - - {text}"
    return line.rstrip("\n").encode(errors="surrogateescape")


class LogLine:
    """A decoded log line; ``timestamp`` stays text."""

    __slots__ = ("appname", "facility", "hostname", "procid", "severity", "text", "timestamp")

    def __init__(self, data: bytes | str) -> None:
        line = data.decode(errors="replace") if isinstance(data, bytes) else data
        line = line.rstrip("\0\n")
        end = line.find(">", 0, 8)  # RFC 5424: PRI has three digits at most
        fields = line[end + 1 :].split(" ", 7)
        if not line.startswith("<") or not line[1:end].isdecimal() or len(fields) < 7 or fields[0] != "1":
            raise FormatError("log: not an RFC 5424 line")
        pri = min(int(line[1:end]), 63)
        self.severity, self.facility = divmod(pri, 8)
        self.timestamp, self.hostname, self.appname, self.procid = fields[1:5]
        self.text = fields[7] if len(fields) > 7 else ""


def severity(name: str) -> int:
    """Number of a severity given by name or number. Raises FormatError for neither."""
    if name in SEVERITIES:
        return SEVERITIES.index(name)
    aliases = {"error": 3, "warn": 4, "critical": 2, "emergency": 0}
    if name in aliases:
        return aliases[name]
    if name.isdigit() and int(name) < len(SEVERITIES):
        return int(name)
    raise FormatError(f"log: unknown severity '{name}', expected one of {', '.join(SEVERITIES)}")
