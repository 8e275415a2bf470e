# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: where the tasks' stdout and stderr go: the job's ``output`` log, files, or the leader shell.

Options: ``output.{stdout,stderr}.{type,path,label,buffer.type}``, ``output.mode``, ``output.limit``. What is
not said for stderr is as for stdout, except that stderr is not held back to whole lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rosin import _size
from rosin.job.labels import Labels
from rosin.rfc import ioencode
from rosin.rfc.fluid import FORMS
from rosin.rfc.idset import Idset
from rosin.shell.errors import ShellError
from rosin.shell.log import ShellLog, format_line
from rosin.shell.options import Options

STREAMS = ("stdout", "stderr")
LIMIT_MAX = 1 << 30
#: A chunk of up to so many lines is recorded line by line.
FEW_LINES = 32
_COMPONENT = "output.kvs"
_HIGH_VOLUME = 100 << 20

Emit = Callable[[str, dict[str, Any]], None]


def _lines(data: bytes) -> list[bytes]:
    """Split after newlines only (``splitlines`` would also split at carriage returns)."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _check_tags(template: str, path: str) -> None:
    """A file of a name that nobody meant is not written: flux-core logs an error for these two and writes it.

    Other tags that mean nothing stay as they are. Raises ShellError."""
    if template.rfind("{{") > template.rfind("}}"):
        raise ShellError(f"output path {template}: a tag is not closed: expected one such as {{{{id}}}}")
    if "{{id." in path or "{{jobid." in path:
        forms = ", ".join(FORMS)
        raise ShellError(f"output path {template}: unknown encoding of the job id: expected one of {forms}")


def credit_marks(options: Options) -> tuple[int, int]:
    """``output.client.lwm`` and ``hwm``: a shell that is not the leader asks for more credit when it has the
    first number of entries left, and gets the second. Raises ShellError."""
    low, high = options.integer("output.client.lwm", 100), options.integer("output.client.hwm", 1000)
    if not 0 <= low < high:
        raise ShellError(
            f"invalid client.lwm and/or client.hwm specified: output.client.lwm={low} "
            f"output.client.hwm={high}: expected the first to be less, as in 100 and 1000"
        )
    return low, high


class StreamConf:
    """One stream's destination: ``path`` (a template) is None for the log."""

    __slots__ = ("label", "line", "path")

    def __init__(self, options: Options, name: str, inherit: StreamConf | None) -> None:
        base = f"output.{name}"
        self.path = options.optional_string(f"{base}.path")
        self.label = options.flag(f"{base}.label")
        if inherit is not None:
            self.path = inherit.path if self.path is None else self.path
            self.label = inherit.label if options.get(f"{base}.label") is None else self.label
        kind = options.string(f"{base}.type", "")
        if kind not in ("", "kvs", "file"):
            raise ShellError(f"shell option {base}.type={kind}: expected kvs or file")
        if kind == "kvs":
            self.path = None
        default = "line" if inherit is None else "none"
        buffering = options.string(f"{base}.buffer.type", default).lower()
        self.line = buffering == "line"


class OutputFile:
    """An output file, shared by all tasks whose template names it."""

    __slots__ = ("_fd", "_labels", "path")

    def __init__(self, path: str, append: bool, label: bool) -> None:
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
        try:
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise ShellError(f"error opening output file '{path}': {error.strerror}") from None
        self._labels = Labels(shared=True) if label else None
        self.path = path

    def write(self, stream: str, rank: str, data: bytes) -> None:
        """Write a chunk (not empty), each line behind its task's rank where labels are asked for."""
        if self._labels is not None:
            data = self._labels.add(self, f"{rank}: ".encode(), stream, data)
        self._write(data)

    def write_line(self, data: bytes) -> None:
        """Write a line that is not of a task."""
        self._write(data if self._labels is None else self._labels.end(self) + data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Limit:
    """``output.limit``: how much of each stream the log takes."""

    __slots__ = ("_limit", "_log", "_text", "total")

    def __init__(self, limit: int, text: str, log: ShellLog) -> None:
        self._limit = limit
        self._text = text
        self._log = log
        self.total = dict.fromkeys(STREAMS, 0)

    def splits(self, stream: str, size: int) -> bool:
        """Whether the limit is passed somewhere within the next ``size`` bytes."""
        return self.total[stream] < self._limit < self.total[stream] + size

    def admits(self, stream: str, size: int) -> bool:
        """Count ``size`` more bytes; False once the limit is passed (which is logged the first time)."""
        before = self.total[stream]
        self.total[stream] = before + size
        if before + size <= self._limit:
            return True
        if before <= self._limit:
            self._log.warn(f"{stream} will be truncated, {self._text} limit exceeded", _COMPONENT)
        return False

    def report(self) -> None:
        """Say at the end what was cut off, or that it was a lot."""
        for stream in reversed(STREAMS):
            total = self.total[stream]
            if total > self._limit:
                self._log.warn(f"{stream}: {total - self._limit} of {total} bytes truncated", _COMPONENT)
            elif total > _HIGH_VOLUME:
                self._log.warn(
                    f"high {stream} volume ({_size.encode(total)}), consider redirecting to a file next time "
                    "(e.g. use --output=FILE)",
                    _COMPONENT,
                )


class Output:
    """All output of this shell.

    ``emit(name, context)`` appends to the output log (on the leader) or sends to the leader (elsewhere).
    """

    def __init__(self, options: Options, log: ShellLog, emit: Emit, limit: Limit | None, ntasks: int) -> None:
        self._log = log
        self._emit = emit
        self._limit = limit
        self._ntasks = ntasks
        credit_marks(options)  # the leader, too, refuses those that mean nothing
        self._mode = options.string("output.mode", "truncate").lower()
        stdout = StreamConf(options, "stdout", None)
        self.conf = {"stdout": stdout, "stderr": StreamConf(options, "stderr", stdout)}
        self._files: dict[str, OutputFile] = {}
        self._targets: dict[tuple[str, str], OutputFile] = {}
        self._shared: dict[str, OutputFile] = {}  # for other shells' tasks, which are the leader's to write
        self._failed: set[str] = set()  # streams with a lost write

    @property
    def incomplete(self) -> bool:
        """Output was lost on its way into a file: such a job has not succeeded, whatever its tasks say."""
        return bool(self._failed)

    def header(self) -> None:
        """Begin the log (leader only)."""
        self._emit("header", ioencode.header(dict.fromkeys(STREAMS, self._ntasks)))

    def open(self, rank: int, render: Callable[[str], str], remote: Callable[[str], bool]) -> None:
        """Open the files of a task. ``render`` expands a template for it; ``remote`` says whether a
        template is the leader's to write, as it names one file for all shells."""
        for stream, conf in self.conf.items():
            if conf.path is None or remote(conf.path):
                continue
            path = render(conf.path)
            _check_tags(conf.path, path)
            if path not in self._files:
                self._files[path] = OutputFile(path, self._mode == "append", conf.label)
            self._targets[stream, str(rank)] = self._files[path]
            self._shared.setdefault(stream, self._files[path])

    def redirects(self, render: Callable[[str], str]) -> None:
        """Record in the log that streams went to files (leader only)."""
        ranks = Idset.from_range(0, self._ntasks - 1).encode(brackets=True)
        for stream, conf in self.conf.items():
            if conf.path is not None:
                self._emit("redirect", ioencode.redirect(stream, ranks, render(conf.path)))

    def write(self, stream: str, rank: str, data: bytes) -> None:
        """Take a chunk of a local task."""
        target = self._targets.get((stream, rank))
        if target is not None:
            self._write_file(target, stream, rank, data)
            return
        for piece in self._pieces(stream, data):
            if self._limit is None or self._limit.admits(stream, len(piece)):
                self._emit("data", ioencode.encode_data(stream, rank, piece))

    def _write_file(self, target: OutputFile, stream: str, rank: str, data: bytes) -> None:
        """Write to a file; what fails is said once per stream, since a full disk fails every time."""
        try:
            target.write(stream, rank, data)
        except OSError as error:
            if stream not in self._failed:
                self._failed.add(stream)
                self._log.error(f"write {stream} task {rank} to {target.path}: {error.strerror}", "output")

    def _pieces(self, stream: str, data: bytes) -> list[bytes]:
        """One entry per line where clients may want to put a label before each, which flux-core's do per
        entry, and where only some lines are within the limit; but a flood goes as it came, at four times
        the speed."""
        few = data.count(b"\n") <= FEW_LINES
        if (
            few
            or self.conf[stream].label
            or (self._limit is not None and self._limit.splits(stream, len(data)))
        ):
            return data.splitlines(keepends=True) if b"\r" not in data else _lines(data)
        return [data]

    def eof(self, stream: str, rank: str) -> None:
        """A local task's stream ended."""
        if (stream, rank) not in self._targets:
            self._emit("data", ioencode.encode_data(stream, rank, None, eof=True))

    def remote(self, name: str, context: dict[str, Any]) -> None:
        """Take an entry of another shell (leader only). Raises FormatError for bad data."""
        stream = str(context.get("stream", "stderr")) if name == "data" else "stderr"
        shared = self._shared.get(stream)
        if name == "log":
            self.log_event(context)
        elif shared is not None:
            chunk = ioencode.decode_data(context)
            if chunk.data:
                self._write_file(shared, stream, chunk.rank, chunk.data)
        elif self._limit is None or name != "data":
            self._emit(name, context)
        else:
            chunk = ioencode.decode_data(context)
            if self._limit.admits(stream, len(chunk.data)) or chunk.eof:
                self._emit(name, context)

    def log_event(self, context: dict[str, Any]) -> None:
        """Where the shell's own messages go: the log, or the stderr file."""
        target = self._shared.get("stderr")
        if target is None:
            self._emit("log", context)
            return
        try:
            target.write_line(format_line(context).encode())
        except OSError:
            self._emit("log", context)  # a full disk is told where there is room

    def close(self) -> None:
        """Close the files."""
        if self._limit is not None:
            self._limit.report()
        for path, file in self._files.items():
            try:
                file.close()
            except OSError as error:  # a quota or a file server may object only now
                self._failed.add(path)
                self._emit("log", ioencode.log(3, f"close {path}: {error.strerror}", component="output"))
