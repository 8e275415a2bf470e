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

from rosin import _json
from rosin.errors import FormatError
from rosin.job.events import event_watch_async
from rosin.job.lookup import job_info_lookup
from rosin.rest.bell import Bell
from rosin.rfc import ioencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rosin.rest.instance import Instance

#: Bytes of output that a feed keeps for its readers.
WINDOW = 64 << 20


class Chunk:
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


class Decoder:
    """Makes chunks of the events of one output log."""

    def __init__(self) -> None:
        self._encodings: dict[str, str] = {}

    def chunk(self, entry: dict[str, Any]) -> Chunk | None:
        """The chunk of one event; None if it holds no output. Raises FormatError."""
        name, context = entry.get("name"), entry.get("context")
        timestamp = float(entry.get("timestamp", 0.0))
        if name == "data":
            data = ioencode.decode_data(context, self._encodings or ioencode.UTF8)
            return Chunk(data.stream, data.rank, data.data, timestamp) if data.data else None
        if name == "header":
            self._encodings = ioencode.decode_header(context)
            return None
        if not isinstance(context, dict):
            return None
        if name == "log":
            return Chunk("log", str(context.get("rank", "")), _line(context.get("message")), timestamp)
        if name == "redirect":
            words = f"{context.get('stream')} is redirected to {context.get('path', 'a file')}"
            return Chunk("redirect", str(context.get("rank", "")), _line(words), timestamp)
        return None


def _line(text: object) -> bytes:
    return (str(text).rstrip("\n") + "\n").encode("utf-8", "replace")


def decode_log(text: str) -> list[Chunk]:
    """The chunks of a whole output log. Raises FormatError."""
    decoder = Decoder()
    try:
        entries = [_json.loads(line) for line in text.splitlines() if line]
    except ValueError as exc:
        raise FormatError(f"output log: {exc}") from None
    return [chunk for entry in entries if (chunk := decoder.chunk(entry)) is not None]


def lines(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
    """Whole lines of stdout and stderr in order of arrival; what has no newline comes last, as it is."""
    partial: dict[tuple[str, str], tuple[Chunk, list[bytes]]] = {}
    for chunk in chunks:
        if chunk.stream not in ("stdout", "stderr"):
            continue
        key = chunk.stream, chunk.rank
        first, *rest = chunk.data.split(b"\n")
        if key in partial:
            partial[key][1].append(first)
            if not rest:
                continue
            first = b"".join(partial.pop(key)[1])
        parts = [first, *rest]
        last = parts.pop()
        for part in parts:
            yield chunk, part + b"\n"
        if last:
            partial[key] = (chunk, [last])
    for chunk, pieces in partial.values():
        yield chunk, b"".join(pieces)


class Feed:
    """The output of one job for all who follow it."""

    def __init__(self, instance: Instance, jobid: int, window: int = WINDOW) -> None:
        self.bell = Bell()
        self.jobid = jobid
        self.readers = 0
        self.done = False
        self.error: OSError | None = None
        self.end = 0  # position after the newest chunk
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._window = window
        self._decoder = Decoder()
        self._watch: Any = None
        if instance.handle is None:  # it went away since the request began
            self.finish(OSError(errno.EHOSTUNREACH, instance.reason()))
            return
        self._watch = event_watch_async(instance.handle, jobid, "guest.output", waitcreate=True)
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

    def _add(self, chunk: Chunk) -> None:
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

    def since(self, position: int, most: int = 200) -> list[Chunk]:
        """Up to *most* chunks from *position* on, which must not be before :attr:`start`."""
        first = position - self.start
        return list(islice(self._chunks, first, first + most))

    def close(self) -> None:
        """Nobody follows any more."""
        self.finish(None)
        if self._watch is not None:
            self._watch.close()


class Outputs:
    """The feeds of all jobs that somebody follows."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._feeds: dict[int, Feed] = {}

    def join(self, jobid: int) -> Feed:
        """Follow a job; :meth:`leave` when done. A feed of an instance that has gone has ended."""
        feed = self._feeds.get(jobid)
        if feed is None:
            feed = self._feeds[jobid] = Feed(self._instance, jobid)
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

    async def so_far(self, jobid: int) -> list[Chunk] | None:
        """What a job has written until now, None if it has no output log. Raises Problem."""
        handle = await self._instance.connected()
        try:
            answer = await job_info_lookup(handle, jobid, ["guest.output"])
        except FileNotFoundError:
            return None
        except OSError as exc:
            from rosin.rest.problem import of_error

            raise of_error(exc) from exc
        return decode_log(answer["guest.output"])
