# SPDX-License-Identifier: LGPL-3.0-or-later
"""Checkpoints of the primary namespace."""

from __future__ import annotations

from rosin.rfc import blobref
from rosin.rfc.payload import field, int_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rosin.handle.handle import Handle


def validate(value: dict[str, Any]) -> dict[str, Any]:
    """Check a checkpoint before it is stored: one that cannot be read keeps an instance from starting.

    ``rootref`` is a blobref; ``sequence`` (a whole number) and ``timestamp`` (a number) may be absent.
    Returns *value*. Raises FormatError.
    """
    blobref.parse(field(value, "rootref", str))
    int_field(value, "sequence", 0, (1 << 63) - 1, 0)
    field(value, "timestamp", float, 0.0)
    return value


def kvs_checkpoint_lookup(flux_handle: Handle, cache_bypass: bool = False) -> list[dict[str, Any]]:
    """Checkpoint objects, the newest first. *cache_bypass*: ask the backing store. Raises OSError ENOENT."""
    topic = "content-backing.checkpoint-get" if cache_bypass else "content.checkpoint-get"
    value = flux_handle.rpc(topic).get()["value"]
    return value if isinstance(value, list) else [value]
