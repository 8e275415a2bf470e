# SPDX-License-Identifier: LGPL-3.0-or-later
"""Printing what a job writes, and what happens to it (RFC 24)."""

from __future__ import annotations

import os
import sys

from rosin import _json
from rosin.job.labels import Labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections import deque
    from typing import Any
else:
    from _collections import deque  # collections itself imports a lot

#: From this number of bytes of output on, the faster JSON decoder has earned its import.
_MUCH = 1 << 20
_LEVELS = ("FATAL", "FATAL", "FATAL", "ERROR", " WARN", "", "DEBUG", "TRACE")


class Unwritable(OSError):
    """Our own output cannot be written: its reader has gone, or there is no space."""


def write_all(fd: int, data: bytes) -> None:
    """Write bytes to a descriptor that may be a slow pipe. Raises Unwritable."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            import select

            select.select([], [fd], [])
        except OSError as exc:
            raise Unwritable(exc.errno, exc.strerror) from None


def same_file(first: int, second: int) -> bool:
    """Whether two descriptors are one file, such as a terminal: what goes to one is behind what went to the
    other."""
    try:
        return os.path.sameopenfile(first, second)
    except OSError:
        return False


class OutputWriter:
    """Writes to standard output and error in large pieces; call :meth:`flush` when nothing more is at hand.

    ``args``: label_io, quiet, verbose, tail as for attach.
    """

    def __init__(self, args: Namespace, prog: str) -> None:
        self._label = args.label_io
        self._labels = Labels(same_file(1, 2)) if args.label_io else Labels(False)
        self._quiet = args.quiet
        self._verbose = args.verbose
        self._prog = prog
        self._fd = 1
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._zero: float | None = None
        self._tail: deque[dict[str, Any]] | None = None if args.tail is None else deque(maxlen=args.tail)
        self._encodings: dict[str, str] | None = None
        self._pty: bool | None = None
        sys.stdout.flush()

    def start(self, timestamp: float) -> None:
        """The time that others are relative to; only the first call counts."""
        if self._zero is None:
            self._zero = timestamp

    def pty(self, captured: bool | None) -> None:
        """The terminal is raw while a pty is attached; ``captured``: its output is in the log too."""
        self._pty = captured

    # -- writing ----------------------------------------------------------------------------------

    def _write(self, fd: int, data: bytes) -> None:
        if fd != self._fd:
            self.flush()
            self._fd = fd
        self._pieces.append(data)

    def flush(self) -> None:
        """Write what is held back."""
        if self._pieces:
            data = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
            self._pieces.clear()
            self._bytes += len(data)
            write_all(self._fd, data)
            if self._bytes > _MUCH:
                self._bytes = -(1 << 62)
                _json.accelerate()

    def drop(self) -> None:
        """Forget what is held back: it cannot be written."""
        self._pieces.clear()

    def _line(self, text: str) -> None:
        end = "\n\r" if self._pty is not None else "\n"
        self._write(2, self._labels.end(2) + f"{text}{end}".encode(errors="surrogateescape"))

    def message(self, text: str) -> None:
        """Say something in the name of this command."""
        self._line(f"{self._prog}: {text}")

    def note(self, timestamp: float, text: str) -> None:
        """Print a line with the time since the job was submitted."""
        self._line(f"{timestamp - (self._zero or 0.0):.3f}s: {text}")

    def event(self, prefix: str, event: dict[str, Any]) -> None:
        """Print an event of a log."""
        context = event.get("context")
        text = "" if context is None else f" {_json.dumps(context).decode()}"
        self.note(event["timestamp"], f"{prefix}.{event['name']}{text}")

    # -- events -----------------------------------------------------------------------------------

    def exec_log(self, event: dict[str, Any]) -> None:
        """Print what a program that ran the job has written."""
        context = event["context"]
        head = ""
        if not self._quiet:
            since = event["timestamp"] - (self._zero or 0.0)
            head = f"{since:.3f}s: {context['component']}[{context['rank']}]: {context['stream']}: "
        self._write(2, f"{head}{context['data']}".encode(errors="surrogateescape"))

    def output_event(self, event: dict[str, Any]) -> None:
        """Print an event of the output log."""
        name = event["name"]
        if self._tail is not None and name in ("data", "log", ""):
            if name:
                if name == "log" or "data" in event["context"]:
                    self._tail.append(event)
                return
            kept, self._tail = self._tail, None
            for old in kept:
                self.output_event(old)
        elif name == "data":
            self._data(event["context"])
        elif name == "log":
            self._log(event)
        elif name == "redirect":
            self._redirect(event["context"])
        elif name == "header":
            from rosin.rfc.ioencode import decode_header

            self._encodings = decode_header(event["context"])

    def _data(self, context: dict[str, Any]) -> None:
        stream, text = context["stream"], context.get("data")
        if not text or (self._pty and context["rank"] == "0"):
            return
        if (
            len(context) == 3
            and "encoding" not in context
            and "repeat" not in context
            and "eof" not in context
        ):
            data = text.encode(errors="surrogatepass")
        else:
            from rosin.rfc.ioencode import decode_data

            data = decode_data(context, self._encodings or "UTF-8").data
        fd = 1 if stream == "stdout" else 2
        if self._label:
            data = self._labels.add(fd, f"{context['rank']}: ".encode(), stream, data)
        if self._pty is not None:
            data += b"\r"
        self._write(fd, data)

    def _redirect(self, context: dict[str, Any]) -> None:
        if not self._quiet:
            path = context.get("path")
            where = f" to {path}" if path else ""
            self._line(f"{context['rank']}: {context['stream']} redirected{where}")

    def _log(self, event: dict[str, Any]) -> None:
        if self._quiet:
            return
        context = event["context"]
        words = ["flux-shell" + (f"[{context['rank']}]" if context.get("rank", -1) >= 0 else "")]
        level = context["level"]
        words += [_LEVELS[level]] if 0 <= level <= 7 and _LEVELS[level] else []
        words += [context["component"]] if context.get("component") else []
        if self._verbose and context.get("file"):
            line = context.get("line", -1)
            words.append(f"{context['file']}:{line}" if line > 0 else context["file"])
        self.note(event["timestamp"], ": ".join([*words, context["message"]]))
