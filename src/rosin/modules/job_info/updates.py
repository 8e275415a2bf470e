# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: jobspec and R as the update events of a job have left them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rosin.modules.job_info.chunks import named
from rosin.rfc.treedict import with_value

#: Key: (name of its update events, the paths that they may change).
KEYS = {
    "jobspec": (b"jobspec-update", ("resources", "tasks", "attributes")),
    "R": (b"resource-update", ("expiration",)),
}


def apply(key: str, obj: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """``obj``, a jobspec or an R, after an update event with this context; ``obj`` itself stays as it is."""
    for path, value in context.items():
        if path.partition(".")[0] in KEYS[key][1]:
            obj = with_value(obj, f"execution.{path}" if key == "R" else path, value)
    return obj


def contexts(key: str, lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The contexts of the update events of ``key`` among the lines of a job's main log."""
    events = (named(line, KEYS[key][0]) for line in lines)
    return [event["context"] for event in events if event and isinstance(event.get("context"), dict)]
