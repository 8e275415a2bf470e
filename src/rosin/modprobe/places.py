# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where the broker's installation has its modules and tasks described."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.handle.flux import Flux

_KEYS = ("datadir", "libexecdir", "confdir")


def places(h: Flux) -> dict[str, str]:
    """The directories by their names: those of the broker, which may be flux-core's. Raises OSError."""
    answer: dict[str, str] = h.rpc("broker.conf-builtin", {"keys": list(_KEYS)}).get()["values"]
    return answer
