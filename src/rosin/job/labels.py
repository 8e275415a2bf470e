# SPDX-License-Identifier: LGPL-3.0-or-later
"""Lines of output behind the rank of the task that has written them."""

from __future__ import annotations


class Labels:
    """Puts labels before lines, and a newline before a label that would follow a line that is not finished.

    What continues such a line, from the same task and stream, gets no second label.
    """

    def __init__(self, shared: bool) -> None:
        """``shared``: all sinks are one file."""
        self._shared = shared
        self._open: dict[object, tuple[bytes, str]] = {}  # sink: whose line is not finished

    def add(self, sink: object, label: bytes, stream: str, data: bytes) -> bytes:
        """``data`` (not empty) as it is to be written to a sink next."""
        if self._shared:
            sink = None
        unfinished = self._open.pop(sink, None)
        if not data.endswith(b"\n"):
            self._open[sink] = (label, stream)
        if unfinished == (label, stream):
            return labelled(data, label)[len(label) :]
        return b"\n" * (unfinished is not None) + labelled(data, label)

    def end(self, sink: object) -> bytes:
        """What ends the line that is not finished, if there is one: something else is to be written."""
        return b"\n" if self._open.pop(None if self._shared else sink, None) else b""


def labelled(data: bytes, label: bytes) -> bytes:
    """Begin every line with a label."""
    end = b"\n" if data.endswith(b"\n") else b""
    body = data[:-1] if end else data
    return label + body.replace(b"\n", b"\n" + label) + end
