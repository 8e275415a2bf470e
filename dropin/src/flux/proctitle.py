# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.proctitle."""

from __future__ import annotations

__all__ = ["set_proctitle"]


def set_proctitle(name: str) -> None:
    """Set the name of this process as ``ps`` shows it, cut to 15 bytes; nothing happens off Linux."""
    try:
        with open("/proc/self/comm", "wb", buffering=0) as stream:
            stream.write(name.encode()[:15])
    except FileNotFoundError:
        return
