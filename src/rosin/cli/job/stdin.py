# SPDX-License-Identifier: LGPL-3.0-or-later
"""Sending standard input to the tasks of a job (``SHELL.stdin``)."""

from __future__ import annotations

import errno
import os

from rosin.rfc.ioencode import encode_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from typing import Any

    from rosin.cli.job.output import OutputWriter
    from rosin.handle.flux import Flux
    from rosin.handle.rpc import RPC

_CHUNK = 1 << 17
#: Requests that may be unanswered before reading pauses, so that a slow task slows its writer down.
_WINDOW = 16


class JobStdin:
    """Reads descriptor 0 and sends it to the job shell, for the tasks of ``args.stdin_ranks``.

    ``failed(text)`` is called when the job does not take input that there is.
    """

    def __init__(
        self,
        handle: Flux,
        service: str,
        rank: int,
        args: Namespace,
        output: OutputWriter,
        failed: Callable[[str], None],
    ) -> None:
        self._handle = handle
        self._topic = f"{service}.stdin"
        self._rank = rank
        self._ranks: str = args.stdin_ranks
        self._output = output
        self._failed = failed
        self._watching = False
        self._stopped = False
        self._pending = 0

    def start(self) -> None:
        """Begin to read, unless only some tasks get the input: then :meth:`tasks_started` begins."""
        if self._ranks == "all":
            self._watch()

    def tasks_started(self, taskmap: Any) -> None:
        """The tasks are known: close the input of those that get none."""
        if self._ranks == "all":
            return
        from rosin.rfc.idset import Idset
        from rosin.rfc.taskmap import TaskMap

        wanted = Idset(self._ranks)
        every = Idset(range(TaskMap.decode(taskmap).total_ntasks()))
        chosen = wanted & every
        if not chosen:
            self._send(encode_data("stdin", every.encode(), eof=True))
            self._failed(
                f"stdin: the job has no task {self._ranks} for input: expected some of {every.encode()}"
            )
            return
        if chosen.mask != wanted.mask:
            old, self._ranks = self._ranks, chosen.encode()
            self._output.message(f"warning: adjusting --stdin-ranks from {old} to {self._ranks}")
        others = every - chosen
        if others:
            self._send(encode_data("stdin", others.encode(), eof=True))
        if chosen:
            self._watch()

    def _watch(self) -> None:
        if self._watching or self._stopped:
            return
        try:
            self._handle.reactor.add_fd(0, self._readable)
        except (OSError, ValueError):
            return
        self._watching = True

    def _pause(self) -> None:
        if self._watching:
            self._watching = False
            self._handle.reactor.remove_fd(0)

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        self._pause()

    def _readable(self, _revents: int) -> None:
        try:
            data = os.read(0, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            # A closed descriptor, or a terminal of which this is not the foreground job: there is no input.
            self.stop()
            return
        if data:
            self._send(encode_data("stdin", self._ranks, data))
            if self._pending >= _WINDOW:
                self._pause()
        else:
            self._send(encode_data("stdin", self._ranks, eof=True))
            self.stop()

    def _send(self, context: dict[str, Any]) -> None:
        self._pending += 1
        self._handle.rpc(self._topic, context, self._rank).then(self._answered)

    def _answered(self, rpc: RPC) -> None:
        self._pending -= 1
        try:
            unread = (rpc.get() or {}).get("unread")
        except OSError as exc:
            if exc.errno == errno.ENOSYS:
                # The job has ended, has closed its input or reads a file: nobody wants the rest, and how the
                # job ends is for the job to say.
                self.stop()
            elif not self._stopped:
                self._failed(f"stdin: {exc.strerror}")
            return
        if unread:
            self.stop()
        elif self._pending < _WINDOW // 2:
            self._watch()
