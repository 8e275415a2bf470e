# SPDX-License-Identifier: LGPL-3.0-or-later
"""Changes to JSON objects that others hold too: each returns a new object and copies only what it changes."""

from __future__ import annotations

from typing import Any


def merge(obj: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``obj`` with ``changes`` merged in: objects recursively, null removes a key, emptied objects go too."""
    new = dict(obj)
    for key, value in changes.items():
        if isinstance(value, dict):
            old = new.get(key)
            value = merge(old if isinstance(old, dict) else {}, value) or None
        if value is None:
            new.pop(key, None)
        else:
            new[key] = value
    return new


def with_value(obj: Any, path: str, value: Any) -> dict[str, Any]:
    """``obj`` with the period-delimited ``path`` set to ``value``; objects on the way are made as needed."""
    new = dict(obj) if isinstance(obj, dict) else {}
    head, dot, rest = path.partition(".")
    new[head] = with_value(new.get(head), rest, value) if dot else value
    return new
