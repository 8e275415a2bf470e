# SPDX-License-Identifier: LGPL-3.0-or-later
"""Messages to systemd (sd_notify(3)), for a unit of ``Type=notify``."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from rosin.rfc import fsd

if TYPE_CHECKING:
    from rosin.broker.attrs import Attributes


def extend_stop(attrs: Attributes) -> None:
    """Let no step of the end run under what those before have left of the unit's ``TimeoutStopSec``."""
    text = attrs.value("broker.sd-stop-timeout", "none")
    if text != "none":
        notify(attrs, f"EXTEND_TIMEOUT_USEC={int(fsd.parse(text) * 1e6)}")


def notify(attrs: Attributes, text: str) -> None:
    """Send ``READY=1`` or the like to the socket that ``NOTIFY_SOCKET`` names; nothing without one.

    Only if the attribute ``broker.sd-notify`` asks for it.
    """
    if attrs.value("broker.sd-notify") != "1":
        return
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.sendto(text.encode(), "\0" + address[1:] if address[0] == "@" else address)
