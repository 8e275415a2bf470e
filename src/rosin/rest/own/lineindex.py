# SPDX-License-Identifier: LGPL-3.0-or-later
"""The lines of a job's output, numbered, so that any range of a million is found at once.

What has been written is decoded once into a file without a name, and of each line its place, its writer and
its time are kept: 18 bytes of memory. What a running job writes later is added when somebody asks.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

from rosin.errors import FormatError
from rosin.rest.instance import InstanceLink
from rosin.rest.output import OutputChunk, OutputDecoder
from rosin.rest.outputlog import open_log, pieces
from rosin.rest.problem import Problem

#: Bytes of a line that an answer shows, and from which on a line is taken to be over.
SHOWN = 1 << 16
LONG = 1 << 20
#: Bytes of output of one job beyond which no more lines are numbered, and of all jobs that are kept.
MOST_OF_JOB = 4 << 30
MOST = 8 << 30
#: Jobs whose lines are kept numbered.
_KEPT = 64
#: LineView that are looked through without a turn for others.
_SLICE = 5000
_SLICE_BYTES = 1 << 19

Writer = tuple[str, str]


class Changed(Exception):
    """What was read is no longer the beginning of the log: a blob was put together from others."""


class LineIndex:
    """The lines of one job."""

    def __init__(self) -> None:
        self._fd, path = tempfile.mkstemp(prefix="rosin-output-")
        os.unlink(path)
        self._ends = array("Q")
        self._who = array("H")
        self._times = array("d")
        self._writers: dict[Writer, int] = {}
        self._names: list[Writer] = []
        self._open: dict[Writer, tuple[bytearray, float]] = {}
        self._decoder = OutputDecoder()
        self._rest = b""  # of an event that is not whole yet
        self._taken: list[str] = []  # blobs that were read
        self._skip = 0  # bytes of the first blob that were read before it was one
        self._lock = asyncio.Lock()
        self._views: OrderedDict[Any, array[int]] = OrderedDict()
        self._looked: dict[Any, int] = {}
        self.size = 0

    def close(self) -> None:
        """Forget all."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __len__(self) -> int:
        return len(self._ends)

    # -- reading the log --------------------------------------------------------------------------

    async def update(self, instance: InstanceLink, jobid: int) -> None:
        """Take what was written since the last time. Raises Problem."""
        async with self._lock:
            log = await open_log(instance, jobid)
            if log is None:
                return
            if log.refs[: len(self._taken)] != self._taken:
                raise Changed
            if log.inline is not None:  # it grows, and becomes the first blob when it is too large
                data, self._skip = log.inline[self._skip :], len(log.inline)
                await self._take(data)
                return
            taken = len(self._taken)
            async with aclosing(log.blobs(taken)) as blobs:
                async for blob in blobs:
                    skip, self._skip = self._skip, 0
                    self._taken.append(log.refs[len(self._taken)])
                    await self._take(blob[skip:])

    async def _take(self, blob: bytes) -> None:
        *entries, self._rest = (self._rest + blob).split(b"\n")
        count = 0
        for entry in entries:
            try:
                found = pieces(self._decoder, entry)
            except FormatError as exc:
                raise Problem(502, f"the output of the job: {exc}") from None
            for chunk in found:
                self._add(chunk)
                count += 1 + len(chunk.data) // 400
                if count >= 100:
                    count = 0
                    await asyncio.sleep(0)

    def _add(self, chunk: OutputChunk) -> None:
        writer = chunk.stream, chunk.rank
        first, *rest = chunk.data.split(b"\n")
        begun, since = self._open.pop(writer, (bytearray(), chunk.timestamp))
        begun += first
        lines = [bytes(begun), *rest]
        last = lines.pop()
        if lines:
            self._write(writer, [line + b"\n" for line in lines], since, chunk.timestamp)
            since = chunk.timestamp
        if len(last) >= LONG:
            self._write(writer, [last], since, chunk.timestamp)
        elif last:
            self._open[writer] = bytearray(last), since

    def _write(self, writer: Writer, lines: list[bytes], first: float, then: float) -> None:
        if self.size > MOST_OF_JOB:
            raise Problem(413, "the output is too long to be shown by line: download it")
        number = self._writers.get(writer)
        if number is None:
            number = self._writers[writer] = min(len(self._names), 0xFFFF)
            if number == len(self._names):
                self._names.append(writer)
        self._store(b"".join(lines))
        for line in lines:
            self.size += len(line)
            self._ends.append(self.size)
        self._who.extend([number] * len(lines))
        self._times.extend([first, *[then] * (len(lines) - 1)])

    def _store(self, data: bytes) -> None:
        at = self.size
        while data:
            try:
                done = os.pwrite(self._fd, data, at)
            except OSError as exc:
                raise Problem(507, f"there is no room for the output: {exc.strerror}") from None
            at, data = at + done, data[done:]

    # -- looking ----------------------------------------------------------------------------------

    def unfinished(self, wanted: Callable[[Writer], bool]) -> list[tuple[Writer, bytes, float]]:
        """LineView that have no end yet."""
        return [(who, bytes(begun), at) for who, (begun, at) in self._open.items() if wanted(who)]

    async def view(self, key: Any, writer: Callable[[Writer], bool] | None, text: Any = None) -> LineView:
        """The lines of these writers in which *text* (a function of bytes) holds; *key* names this choice."""
        if writer is None and text is None:
            return LineView(self, None)
        found = self._views.get(key)
        if found is None:
            found = self._views[key] = array("I")
            self._looked[key] = 0
            if len(self._views) > 8:
                oldest, _ = self._views.popitem(last=False)
                del self._looked[oldest]
        else:
            self._views.move_to_end(key)
        while self._looked.get(key, len(self)) < len(self):
            start = self._looked[key]
            stop = self._looked[key] = self._slice(start)
            found.extend(self._matching(start, stop, writer, text))
            await asyncio.sleep(0)
        return LineView(self, found)

    def _slice(self, start: int) -> int:
        """Where to stop that nobody waits for long, and one line at least is looked at."""
        most = bisect_right(self._ends, self._begin(start) + _SLICE_BYTES)
        return min(max(most, start + 1), start + _SLICE, len(self))

    def _matching(self, start: int, stop: int, writer: Any, text: Any) -> list[int]:
        good = None if writer is None else [writer(name) for name in self._names]
        numbers = [at for at in range(start, stop) if good is None or good[self._who[at]]]
        if text is None or not numbers:
            return numbers
        begin = self._begin(start)
        data = os.pread(self._fd, self._ends[stop - 1] - begin, begin)
        return [at for at in numbers if text(data[self._begin(at) - begin : self._ends[at] - begin])]

    def _begin(self, number: int) -> int:
        return self._ends[number - 1] if number else 0

    def line(self, number: int) -> tuple[Writer, float, bytes, bool]:
        """Its writer, time, text, and whether that is only the beginning."""
        begin, end = self._begin(number), self._ends[number]
        data = os.pread(self._fd, min(end - begin, SHOWN), begin)
        return self._names[self._who[number]], self._times[number], data, end - begin > SHOWN


class LineView:
    """Some lines, in their order."""

    def __init__(self, index: LineIndex, numbers: array[int] | None) -> None:
        self._index, self._numbers = index, numbers

    def __len__(self) -> int:
        return len(self._index) if self._numbers is None else len(self._numbers)

    def part(self, start: int, count: int, size: int) -> Iterator[tuple[int, int, Any]]:
        """Number in this view, number among all, and the line; until they are *size* bytes."""
        for at in range(max(start, 0), min(start + count, len(self))):
            number = at if self._numbers is None else self._numbers[at]
            line = self._index.line(number)
            yield at, number, line
            size -= len(line[2])
            if size <= 0:
                return


class LineIndexes:
    """The lines of the jobs that were looked at last."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], LineIndex] = OrderedDict()

    async def of(self, instance: InstanceLink, jobid: int) -> LineIndex:
        """The lines of a job until now. Raises Problem."""
        key = instance.mirror.epoch, jobid
        while True:
            index = self._known.get(key)
            if index is None:
                index = self._known[key] = _new()
            self._known.move_to_end(key)
            try:
                await index.update(instance, jobid)
                break
            except Changed:
                self._forget(key)
            except Problem:
                self._forget(key)  # half of a piece may be in it
                raise
        while len(self._known) > _KEPT or (self._size() > MOST and len(self._known) > 1):
            self._forget(next(iter(self._known)))
        return index

    def _size(self) -> int:
        return sum(index.size for index in self._known.values())

    def _forget(self, key: tuple[str, int]) -> None:
        index = self._known.pop(key, None)
        if index is not None:
            index.close()

    def close(self) -> None:
        """Forget all."""
        for key in list(self._known):
            self._forget(key)


def _new() -> LineIndex:
    try:
        return LineIndex()
    except OSError as exc:
        status = 503 if exc.errno in (errno.EMFILE, errno.ENFILE) else 507
        raise Problem(status, f"there is no room for the output: {exc.strerror}") from None
