# SPDX-License-Identifier: LGPL-3.0-or-later
"""Traces in the Standard Workload Format (version 2.2): a line of 18 numbers for each job."""

from __future__ import annotations

import gzip
import math
from typing import TYPE_CHECKING, NamedTuple

from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

#: Longest line, most jobs, latest time in seconds, most processors.
MAX_LINE, MAX_JOBS, MAX_TIME, MAX_PROCS = 4096, 5_000_000, 1e10, 2**31 - 1
_FIELDS = 18
_HEADERS = 200


class TraceJob(NamedTuple):
    """A job of a trace.

    Attributes:
        submit: seconds after the start of the trace.
        run: seconds that it takes.
        procs: processors that it asks for.
        limit: seconds that it asks for, not less than ``run``.
        user: its owner, 0 where that is not known.
    """

    submit: float
    run: float
    procs: int
    limit: float
    user: int = 0


class Workload(NamedTuple):
    """Jobs in the order in which they come.

    Attributes:
        header: what the comments at the beginning say, by name: ``MaxNodes``, ``MaxProcs``, ...
        skipped: how many have no run time, or no processors: they never ran.
    """

    jobs: list[TraceJob]
    header: dict[str, str]
    skipped: int = 0

    def number(self, name: str) -> int:
        """A number of the header, 0 if it has none of that name."""
        text = self.header.get(name, "").split(" ", 1)[0]
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def load(path: str, most: int = MAX_JOBS) -> Workload:
    """Read up to *most* jobs of a file, compressed if it ends with ``.gz``. Raises OSError, FormatError."""
    try:
        with (gzip.open if path.endswith(".gz") else open)(
            path, "rt", encoding="ascii", errors="replace"
        ) as file:
            return read(file, most)
    except (EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise FormatError(f"{path}: {error}") from None
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def read(file: TextIO, most: int = MAX_JOBS) -> Workload:
    """Read a trace. Raises FormatError that names the line."""
    header: dict[str, str] = {}
    jobs: list[TraceJob] = []
    skipped = 0
    for number, line in enumerate(_lines(file), 1):
        if line.startswith(";"):
            name, colon, value = line[1:].partition(":")
            if colon and len(header) < _HEADERS:
                header.setdefault(name.strip(), value.strip())
            continue
        if not line:
            continue
        job = _job(line, number)
        if job is None:
            skipped += 1
        else:
            jobs.append(job)
            if len(jobs) == most:
                break
    jobs.sort(key=lambda job: job.submit)
    return Workload(jobs, header, skipped)


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise FormatError(f"a line has more than {MAX_LINE} characters")
        yield line.strip()


def _job(line: str, number: int) -> TraceJob | None:
    words = line.split()
    if len(words) != _FIELDS:
        raise FormatError(f"line {number}: expected {_FIELDS} numbers, got {len(words)} words")
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise FormatError(f"line {number}: {error}") from None
    if not all(-1 <= value <= limit for value, limit in zip(values[1:], _LIMITS, strict=True)):
        raise FormatError(f"line {number}: a number is not finite, less than -1, or too large")
    submit, run, procs = values[1], values[3], values[7] if values[7] > 0 else values[4]
    if submit < 0 or run < 0 or procs < 1:
        return None
    limit = values[8] if values[8] > 0 else run
    return TraceJob(submit, min(run, limit), int(procs), limit, max(0, int(values[11])))


_ANY = 1e18
_LIMITS = (
    *(MAX_TIME, _ANY, MAX_TIME),  # submit, wait, run
    *(
        MAX_PROCS,
        _ANY,
        _ANY,
        MAX_PROCS,
        MAX_TIME,
    ),  # processors, CPU time, memory; the same as they are asked for
    *(_ANY, _ANY),  # memory, status
    2**31,  # user
    *[_ANY] * 6,
)


def write(file: TextIO, trace: Workload) -> None:
    """Write a trace; what :class:`TraceJob` does not have is -1."""
    for name, value in trace.header.items():
        file.write(f"; {name}: {value}\n")
    for number, job in enumerate(trace.jobs, 1):
        times = f"{job.submit:.0f} -1 {math.ceil(job.run)}"
        asked = f"{job.procs} {job.limit:.0f} -1"
        file.write(f"{number} {times} {job.procs} -1 -1 {asked} 1 {job.user} -1 -1 -1 -1 -1 -1\n")


def work(jobs: Iterable[TraceJob]) -> float:
    """Processor seconds."""
    return sum(job.procs * job.run for job in jobs)
