# SPDX-License-Identifier: LGPL-3.0-or-later
"""Templates in file names, arguments and environment values: ``{{id}}``, ``{{task.rank}}``, ``{{name}}`` ...

A tag that means nothing is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable


def render(template: str, lookup: Callable[[str], str | None]) -> str:
    """Replace each ``{{tag}}`` by ``lookup(tag)``, unless that is None."""
    if "{{" not in template:
        return template
    parts: list[str] = []
    position = 0
    while (start := template.find("{{", position)) >= 0:
        end = template.find("}}", start + 2)
        if end < 0:
            break
        value = lookup(template[start + 2 : end])
        parts.append(template[position:start])
        parts.append(template[start : end + 2] if value is None else value)
        position = end + 2
    parts.append(template[position:])
    return "".join(parts)
