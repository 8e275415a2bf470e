# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 24: the output of jobs as it comes, one watch per job for all its readers.

A feed holds the latest chunks of a job's output up to a limit; each reader has a position of its own. A
reader that falls behind by more than the limit is told how much it has
missed, and the others do not wait for it.
"""

from __future__ import annotations

import errno
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.job.events import event_watch_async
from rosin.rest.bell import Bell
from rosin.rfc import ioencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rosin.handle.handle import Handle

#: Bytes of output that a feed keeps for its readers.
WINDOW = 64 << 20
#: Bytes from which on an unfinished line is not waited for.
LONG = 1 << 20


class OutputChunk:
    """A piece of output: ``stream`` (stdout, stderr, or log and redirect: words of the job shell)."""

    __slots__ = ("data", "rank", "stream", "timestamp")

    def __init__(self, stream: str, rank: str, data: bytes, timestamp: float) -> None:
        self.stream = stream
        self.rank = rank
        self.data = data
        self.timestamp = timestamp

    def text(self) -> str:
        """The data as text; bytes that are not UTF-8 become replacement characters."""
        return self.data.decode("utf-8", "replace")


class OutputDecoder:
    """Makes chunks of the events of one output log."""

    def __init__(self) -> None:
        self._encodings: dict[str, str] = {}

    def chunk(self, entry: dict[str, Any]) -> OutputChunk | None:
        """The chunk of one event; None if it holds no output. Raises FormatError."""
        name, context = entry.get("name"), entry.get("context")
        timestamp = float(entry.get("timestamp", 0.0))
        if name == "data":
            data = ioencode.decode_data(context, self._encodings or ioencode.UTF8)
            return OutputChunk(data.stream, data.rank, data.data, timestamp) if data.data else None
        if name == "header":
            self._encodings = ioencode.decode_header(context)
            return None
        if not isinstance(context, dict):
            return None
        if name == "log":
            return OutputChunk("log", str(context.get("rank", "")), _line(context.get("message")), timestamp)
        if name == "redirect":
            words = f"{context.get('stream')} is redirected to {context.get('path', 'a file')}"
            return OutputChunk("redirect", str(context.get("rank", "")), _line(words), timestamp)
        return None


def _line(text: object) -> bytes:
    return (str(text).rstrip("\n") + "\n").encode("utf-8", "replace")


class OutputLines:
    """Whole lines of stdout and stderr in order of arrival. A very long one comes in parts."""

    def __init__(self) -> None:
        self._partial: dict[tuple[str, str], tuple[OutputChunk, bytearray]] = {}

    def feed(self, chunk: OutputChunk) -> Iterator[tuple[OutputChunk, bytes]]:
        """The lines that *chunk* ends."""
        if chunk.stream not in ("stdout", "stderr"):
            return
        key = chunk.stream, chunk.rank
        first, *rest = chunk.data.split(b"\n")
        if key in self._partial:
            begun = self._partial[key][1]
            begun += first
            if not rest:
                if len(begun) >= LONG:
                    del self._partial[key]
                    yield chunk, bytes(begun)
                return
            del self._partial[key]
            first = bytes(begun)
        parts = [first, *rest]
        last = parts.pop()
        for part in parts:
            yield chunk, part + b"\n"
        if last:
            self._partial[key] = (chunk, bytearray(last))

    def finish(self) -> Iterator[tuple[OutputChunk, bytes]]:
        """What has no newline, as it is."""
        for chunk, begun in self._partial.values():
            yield chunk, bytes(begun)
        self._partial.clear()


def lines(chunks: Iterable[OutputChunk]) -> Iterator[tuple[OutputChunk, bytes]]:
    """Whole lines of stdout and stderr in order of arrival; what has no newline comes last, as it is."""
    found = OutputLines()
    for chunk in chunks:
        yield from found.feed(chunk)
    yield from found.finish()


class Feed:
    """The output of one job for all who follow it. *source*: a handle, or why there is none."""

    def __init__(self, source: Handle | OSError, jobid: int, window: int = WINDOW) -> None:
        self.bell = Bell()
        self.jobid = jobid
        self.readers = 0
        self.done = False
        self.error: OSError | None = None
        self.end = 0  # position after the newest chunk
        self._chunks: deque[OutputChunk] = deque()
        self._bytes = 0
        self._window = window
        self._decoder = OutputDecoder()
        self._watch: Any = None
        if isinstance(source, OSError):
            self.finish(source)
            return
        self._watch = event_watch_async(source, jobid, "guest.output", waitcreate=True)
        self._watch.listen(self._arrived)

    def _arrived(self, watch: Any) -> None:
        while not self.done and watch.is_ready():
            try:
                event = watch.get_event()
                if event is None:
                    self.finish(None)
                    return
                chunk = self._decoder.chunk(event)
            except OSError as exc:
                # ENOENT: the job ended without output. ENODATA: it ended.
                self.finish(None if exc.errno in (errno.ENOENT, errno.ENODATA) else exc)
                return
            except (FormatError, ValueError) as exc:
                self.finish(OSError(errno.EPROTO, f"output log: {exc}"))
                return
            if chunk is not None:
                self._add(chunk)

    def _add(self, chunk: OutputChunk) -> None:
        self._chunks.append(chunk)
        self._bytes += len(chunk.data)
        self.end += 1
        while self._bytes > self._window and len(self._chunks) > 1:
            self._bytes -= len(self._chunks.popleft().data)
        self.bell.ring()

    def finish(self, error: OSError | None) -> None:
        """There will be no more."""
        if not self.done:
            self.done, self.error = True, error
            self.bell.ring()

    @property
    def start(self) -> int:
        """Position of the oldest chunk that is kept."""
        return self.end - len(self._chunks)

    def since(self, position: int, most: int = 200, size: int = 1 << 18) -> list[OutputChunk]:
        """Up to *most* chunks from *position* on, which must not be before :attr:`start`, until they are
        *size* bytes: what is sent at once delays others.
        """
        first, found = position - self.start, []
        for chunk in islice(self._chunks, first, first + most):
            found.append(chunk)
            size -= len(chunk.data)
            if size <= 0:
                break
        return found

    def close(self) -> None:
        """Nobody follows any more."""
        self.finish(None)
        if self._watch is not None:
            self._watch.close()


class Outputs:
    """The feeds of all jobs that somebody follows."""

    def __init__(self) -> None:
        self._feeds: dict[int, Feed] = {}

    def join(self, source: Handle | OSError, jobid: int) -> Feed:
        """Follow a job; :meth:`leave` when done. The feed of an instance that has gone has ended."""
        feed = self._feeds.get(jobid)
        if feed is None:
            feed = self._feeds[jobid] = Feed(source, jobid)
        feed.readers += 1
        return feed

    def leave(self, feed: Feed) -> None:
        """One reader less; the last one ends the watch."""
        feed.readers -= 1
        if feed.readers == 0:
            if self._feeds.get(feed.jobid) is feed:
                del self._feeds[feed.jobid]
            feed.close()

    def drop(self, error: OSError) -> None:
        """The instance is gone: everyone is told."""
        feeds, self._feeds = self._feeds, {}
        for feed in feeds.values():
            feed.finish(error)

    def ring(self) -> None:
        """Wake all readers."""
        for feed in self._feeds.values():
            feed.bell.ring()

    def __len__(self) -> int:
        return len(self._feeds)
