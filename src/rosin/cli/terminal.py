# SPDX-License-Identifier: LGPL-3.0-or-later
"""Drawing one line that is written over and over, beside text that others wrote."""

from __future__ import annotations

import os

from rosin.cli.colour import dumb

#: Control characters, raw bytes that are such in 8-bit terminals, line and direction marks of Unicode.
_CONTROLS = r"[\x00-\x1f\x7f-\x9f\udc80-\udc9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"


def columns(fd: int) -> int:
    """The width of the terminal at a descriptor, 80 if there is none."""
    try:
        return os.get_terminal_size(fd).columns or 80
    except OSError:
        return 80


def redrawn(text: str, width: int) -> str:
    """What puts ``text`` in place of the last line of a terminal. It never reaches the last column, from
    which many terminals go on to the next line."""
    room = max(0, width - 1)
    if dumb():
        return f"\r{text[:room]:<{room}}\r"
    return f"\r\033[K{text[:room]}"


def erased(width: int) -> str:
    """What makes room for another line."""
    return f"\r{' ' * max(0, width - 1)}\r" if dumb() else "\r\033[K"


def printable(text: str) -> str:
    """A value of a job (its name, a note) for one place of a line: control characters are written as
    ``\\x1b``, so that they neither end the line nor command the terminal."""
    if text.isprintable():
        return text
    import re

    return re.sub(_CONTROLS, _escape, text)


def _escape(match: object) -> str:
    code = ord(match[0])  # type: ignore[index]
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def beside_layout(data: bytes) -> bytes:
    """Output of a job on a terminal on which something else is drawn: colours stay, what moves the cursor
    or changes the screen does not."""
    if data.isascii() and data.decode().replace("\n", "").replace("\t", "").isprintable():
        return data
    import re

    kept = re.compile(rb"\x1b\[[0-9;]*m|[\n\t]")
    control = re.compile(rb"\x1b\[[0-9;]*m|[\x00-\x1f\x7f]|\xc2[\x80-\x9f]")

    def replace(match: re.Match[bytes]) -> bytes:
        found = match[0]
        return found if kept.fullmatch(found) else b"".join(b"\\x%02x" % byte for byte in found)

    return control.sub(replace, data.replace(b"\r\n", b"\n"))
