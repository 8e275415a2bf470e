# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where log messages go besides the ring, as the ``log-*`` attributes say: levels, a file, syslog."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.rfc.syslog import SEVERITIES, LogLine, severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.attrs import Attributes
    from rosin.broker.logring import LogRing


def level(text: str) -> int:
    """The threshold that an attribute's value stands for; a negative one lets nothing pass."""
    return int(text) if text.startswith("-") else severity(text)


def apply_levels(ring: LogRing, attrs: Attributes) -> None:
    """Make thresholds and size take effect. Values have been checked."""
    stderr, critical = (attrs.value(f"log-{name}-level") for name in ("stderr", "critical"))
    if stderr:
        ring.stderr_level = max(level(stderr), level(critical or "-1"))
    if attrs.value("log-level"):
        ring.level = level(attrs.value("log-level"))
    size = attrs.value("log-ring-size")
    if size and int(size) != ring.lines.maxlen:
        ring.resize(int(size))


def open_sinks(ring: LogRing, attrs: Attributes) -> Callable[[], None]:
    """Begin to copy messages to the file and to syslog, where asked for; returns what ends it.

    Raises OSError that names the file.
    """
    closes: list[Callable[[], None]] = []
    path = attrs.value("log-filename")
    if path:
        file = LogFile(path)
        ring.followers.add(file)
        closes.append(file.close)
    if attrs.value("log-syslog-enable") == "1":
        ring.followers.add(Syslog(level(attrs.value("log-syslog-level", "3"))))

    def close() -> None:
        for function in closes:
            function()

    return close


class LogFile:
    """Appends each message to a file. A file that can no longer be written costs nothing but the message."""

    def __init__(self, path: str) -> None:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
            self._fd = os.open(path, flags, 0o644)
        except OSError as exc:
            raise OSError(exc.errno, f"log-filename={path}: {exc.strerror}") from None

    def __call__(self, line: bytes) -> None:
        try:
            entry = LogLine(line)
        except FormatError:
            return
        now = time.time()
        stamp = time.strftime(f"%b %d %H:%M:%S.{int(now % 1 * 1e6):06d} %Z %Y", time.localtime(now))
        text = f"{stamp} {entry.appname}.{SEVERITIES[entry.severity]}[{entry.hostname}]: {entry.text}\n"
        with contextlib.suppress(OSError):
            os.write(self._fd, text.encode(errors="surrogateescape"))

    def close(self) -> None:
        """Write no more."""
        fd, self._fd = self._fd, -1
        os.close(fd)


class Syslog:
    """Hands messages up to a severity to the system's log."""

    def __init__(self, threshold: int) -> None:
        import syslog

        self._syslog = syslog
        self._threshold = threshold
        syslog.openlog("rosin", syslog.LOG_PID, syslog.LOG_DAEMON)

    def __call__(self, line: bytes) -> None:
        try:
            entry = LogLine(line)
        except FormatError:
            return
        if entry.severity <= self._threshold:
            text = f"{entry.appname}[{entry.hostname}]: {entry.text}".replace("\0", " ")
            self._syslog.syslog(entry.severity, text)
