# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: the events of a job's output log as objects."""

from __future__ import annotations

from typing import Any

from rosin.job.events import EventLogEvent
from rosin.rfc.idset import Idset
from rosin.rfc.ioencode import decode_data

# Levels of the job shell's log messages
LOG_QUIET = -1
LOG_FATAL = 0
LOG_ERROR = 3
LOG_WARN = 4
LOG_NOTICE = 5
LOG_DEBUG = 6
LOG_TRACE = 7

_LEVELS = ("FATAL", "FATAL", "FATAL", "ERROR", " WARN", "", "DEBUG", "TRACE")


class Taskset:
    """Some task ranks, or all of them: ``"all"``, ``"*"``, idset text, an Idset or another Taskset."""

    __slots__ = ("all", "ids")

    all: bool
    ids: Idset | None

    def __init__(self, tasks: str | Idset | Taskset) -> None:
        self.all = (
            tasks in ("all", "*") if isinstance(tasks, str) else isinstance(tasks, Taskset) and tasks.all
        )
        self.ids = None
        if not self.all:
            self.ids = tasks.ids if isinstance(tasks, Taskset) else Idset(tasks)

    def intersect(self, tasks: str | Idset | Taskset) -> Taskset:
        """The ranks that are in both."""
        other = tasks if isinstance(tasks, Taskset) else Taskset(tasks)
        if self.all or self.ids is None:
            return other
        return self if other.all or other.ids is None else Taskset(self.ids & other.ids)

    def __bool__(self) -> bool:
        return self.all or bool(self.ids)

    def __str__(self) -> str:
        return "all" if self.all else str(self.ids)


def _expect(event: EventLogEvent, name: str) -> None:
    if event.name != name:
        article = "an" if name[0] in "aeiou" else "a"
        raise ValueError(f"event {event.name} is not {article} {name} event")


class OutputEvent(EventLogEvent):
    """Output of some tasks.

    Attributes: ``rank`` (Taskset), ``stream`` (stdout or stderr), ``data`` (str with lone surrogates for
    bytes that are not UTF-8, None without data), ``raw`` (the bytes), ``eof``. With ``labelio`` each line
    of data begins with the rank.
    """

    def __init__(self, entry: str | dict[str, Any], labelio: bool = False) -> None:
        super().__init__(entry)
        _expect(self, "data")
        decoded = decode_data(self.context)
        self.rank = Taskset(decoded.rank)
        self.stream = decoded.stream
        self.eof = decoded.eof
        self.raw = decoded.data
        self.data: str | None = None
        if "data" in self.context:
            text = decoded.data.decode("utf-8", errors="surrogateescape")
            if labelio:
                text = "".join(f"{self.rank}: {line}\n" for line in text.removesuffix("\n").split("\n"))
            self.data = text

    def render(self) -> str | None:
        """The output itself."""
        return self.data


class LogEvent(EventLogEvent):
    """A message of the job shell. Attributes: ``level`` (0 to 7), ``levelstr``, ``rank`` (of the shell),
    ``message``, ``component``, ``file``, ``line``.
    """

    #: The word of each level.
    log_level_string = _LEVELS

    def __init__(self, entry: str | dict[str, Any]) -> None:
        super().__init__(entry)
        _expect(self, "log")
        self.level: int = self.context["level"]
        self.rank = Taskset(str(self.context.get("rank", 0)))
        self.message: str = self.context["message"]
        self.component: str | None = self.context.get("component")
        self.file: str | None = self.context.get("file")
        self.line: int = self.context.get("line", -1)

    @property
    def levelstr(self) -> str:
        return _LEVELS[self.level]

    def render(self, include_file_and_line: bool = False) -> str:
        """The message as a line of text without its newline."""
        prefix = f"flux-shell[{self.rank}]: "
        if self.levelstr:
            prefix += f"{self.levelstr}: "
        if self.component:
            prefix += f"{self.component}: "
        if include_file_and_line and self.file:
            prefix += f"{self.file}:{self.line}: "
        return prefix + self.message


class OutputHeaderEvent(EventLogEvent):
    """The first event of an output log: ``version``, ``stdout_count``, ``stdout_encoding`` and the same of
    stderr.
    """

    def __init__(self, entry: str | dict[str, Any]) -> None:
        super().__init__(entry)
        _expect(self, "header")
        self.version: int = self.context["version"]
        self.stdout_count: int = self.context["count"]["stdout"]
        self.stderr_count: int = self.context["count"]["stderr"]
        self.stdout_encoding: str = self.context["encoding"]["stdout"]
        self.stderr_encoding: str = self.context["encoding"]["stderr"]


class RedirectEvent(EventLogEvent):
    """A stream of some tasks goes to the file ``path``: ``stream``, ``rank``."""

    def __init__(self, entry: str | dict[str, Any]) -> None:
        super().__init__(entry)
        _expect(self, "redirect")
        self.stream: str = self.context["stream"]
        self.rank = Taskset(self.context["rank"])
        self.path: str = self.context.get("path", "")

    def render(self) -> str:
        """A line for the user."""
        return f"{self.rank}: {self.stream} redirected to {self.path}"


class JobExceptionEvent(EventLogEvent):
    """An exception of the job, from its main log: ``severity``, ``exc_type``, ``note``."""

    def __init__(self, entry: str | dict[str, Any]) -> None:
        super().__init__(entry)
        _expect(self, "exception")
        self.severity: int = self.context["severity"]
        self.exc_type: str = self.context["type"]
        self.note: str = self.context.get("note", "")

    def render(self) -> str:
        """A line for the user."""
        return f"job.exception: type={self.exc_type} severity={self.severity} {self.note}".rstrip()


def parse_output_event(entry: str | dict[str, Any], labelio: bool = False) -> Any:
    """The object for one event of an output log. Raises ValueError for a name that RFC 24 does not know."""
    event = entry if isinstance(entry, EventLogEvent) else EventLogEvent(entry)
    if event.name == "data":
        return OutputEvent(event, labelio)
    kind = {
        "log": LogEvent,
        "header": OutputHeaderEvent,
        "redirect": RedirectEvent,
        "exception": JobExceptionEvent,
    }.get(event.name)
    if kind is None:
        raise ValueError(f"event {event.name} is not a supported output event type")
    return kind(event)
