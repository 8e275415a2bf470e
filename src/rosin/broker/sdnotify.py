# SPDX-License-Identifier: LGPL-3.0-or-later
"""Messages to systemd (sd_notify(3)), for a unit of ``Type=notify``."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(text: str) -> None:
    """Send ``READY=1`` or the like to the socket that ``NOTIFY_SOCKET`` names; nothing without one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.sendto(text.encode(), "\0" + address[1:] if address[0] == "@" else address)
