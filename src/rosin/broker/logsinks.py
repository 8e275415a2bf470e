# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where log messages go besides the ring, as the ``log-*`` attributes say: levels, a file, syslog."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.rfc.syslog import SEVERITIES, LogLine, severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.attrs import Attributes
    from rosin.broker.logring import LogRing

#: Where the system's log listens.
SYSLOG_SOCKET = "/dev/log"
#: The facility of syslog(3) for what is no login, mail or the like.
_DAEMON = 3 << 3


def level(text: str) -> int:
    """The threshold that an attribute's value stands for; a negative one lets nothing pass."""
    return int(text) if text.startswith("-") else severity(text)


def apply_levels(ring: LogRing, attrs: Attributes) -> None:
    """Make thresholds and size take effect. Values have been checked."""
    stderr, critical = (attrs.value(f"log-{name}-level") for name in ("stderr", "critical"))
    if stderr:
        local = attrs.value("log-stderr-mode") == "local"
        ring.stderr_level = max(level(stderr) if local or not ring.rank else -1, level(critical or "-1"))
        ring.others_level = level(stderr) if not local and not ring.rank else -1
    if attrs.value("log-forward-level"):
        ring.forward_level = level(attrs.value("log-forward-level"))
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
    if path and not ring.rank:
        file = LogFile(path)
        ring.sinks.add(file)
        closes.append(file.close)
    if attrs.value("log-syslog-enable") == "1":
        syslog = Syslog(level(attrs.value("log-syslog-level", "3")))
        ring.sinks.add(syslog)
        closes.append(syslog.close)

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
    """Hands messages up to a severity to the system's log (syslog(3)), as facility daemon.

    The C library's function waits for a log that is busy; here nothing may wait, so a message is lost then.
    """

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._sock: socket.socket | None = None

    def __call__(self, line: bytes) -> None:
        try:
            entry = LogLine(line)
        except FormatError:
            return
        if entry.severity > self._threshold:
            return
        stamp = time.strftime("%b %e %H:%M:%S")
        text = f"<{_DAEMON | entry.severity}>{stamp} rosin[{os.getpid()}]: "
        text += f"{entry.appname}[{entry.hostname}]: {entry.text}".replace("\0", " ")
        data = text.encode(errors="surrogateescape")
        with contextlib.suppress(OSError):
            if not self._send(data):
                self._send(data)  # the log has been started again

    def _send(self, data: bytes) -> bool:
        """Whether that went through the socket that there was, or a new one. Raises OSError without any."""
        if self._sock is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            sock.setblocking(False)
            try:
                sock.connect(SYSLOG_SOCKET)
            except OSError:
                sock.close()
                raise
            self._sock = sock
        try:
            self._sock.send(data)
        except OSError as exc:
            if exc.errno not in (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN):
                raise
            self.close()
            return False
        return True

    def close(self) -> None:
        """Write no more."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()
