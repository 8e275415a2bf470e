# SPDX-License-Identifier: LGPL-3.0-or-later
"""The instance that a process of this host belongs to."""

from __future__ import annotations

import os


def of_pid(text: str) -> str:
    """The instance that a process belongs to, from its environment; that of a broker is its own."""
    if not text.isdigit():
        raise ValueError(f"pid:{text}: not a process id")
    try:
        path = _socket_of_broker(text)
        if path is not None:
            return f"local://{path}"
        with open(f"/proc/{text}/environ", "rb") as stream:
            data = stream.read()
    except OSError as exc:
        raise ValueError(f"pid:{text}: {exc.strerror}") from None
    for entry in data.split(b"\0"):
        if entry.startswith(b"FLUX_URI="):
            return entry[9:].decode()
    raise ValueError(f"PID {text} doesn't seem to have a FLUX_URI")


def _socket_of_broker(pid: str) -> str | None:
    """The socket ``.../local-RANK`` on which a process listens, None if it does not. Raises OSError."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            kind, _, inode = os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")
        except FileNotFoundError:
            continue  # it has just been closed
        if kind == "socket":
            inodes.add(inode[1:-1])
    with open(f"/proc/{pid}/net/unix", errors="surrogateescape") as stream:
        for line in stream:
            # Num RefCount Protocol Flags Type St Inode Path; flag 0x10000: it listens
            fields = line.rstrip("\n").split(maxsplit=7)
            if len(fields) == 8 and fields[6] in inodes and fields[3] == "00010000":
                name = fields[7].rpartition("/")[2]
                if name.startswith("local-") and name[6:].isdigit():
                    return fields[7]
    return None
