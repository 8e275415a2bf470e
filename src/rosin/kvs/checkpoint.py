# SPDX-License-Identifier: LGPL-3.0-or-later
"""Checkpoints of the primary namespace."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rosin.handle.handle import Handle


def kvs_checkpoint_lookup(flux_handle: Handle, cache_bypass: bool = False) -> list[dict[str, Any]]:
    """Checkpoint objects, the newest first. *cache_bypass*: ask the backing store. Raises OSError ENOENT."""
    topic = "content-backing.checkpoint-get" if cache_bypass else "content.checkpoint-get"
    value = flux_handle.rpc(topic).get()["value"]
    return value if isinstance(value, list) else [value]
