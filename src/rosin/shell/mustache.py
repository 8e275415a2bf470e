# SPDX-License-Identifier: LGPL-3.0-or-later
"""Templates in file names, arguments and environment values: ``{{id}}``, ``{{task.rank}}``, ``{{name}}`` ...

What has no value is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rosin.rfc.fluid import FORMS

_RESOURCES = ("cores", "gpus", "ncores")
#: The tags that there are.
TAGS = frozenset(
    (
        *("id", "jobid", *(f"{head}.{form}" for head in ("id", "jobid") for form in FORMS)),
        *("name", "nnodes", "ntasks", "size", "tmpdir"),
        *("taskid", *(f"task.{name}" for name in ("id", "index", "localid", "rank"))),
        *(f"node.{name}" for name in ("broker_rank", "id", "name", "ntasks", "resources", "taskids")),
        *(f"node.{name}" for name in _RESOURCES),
        *(f"node.resources.{name}" for name in _RESOURCES),
    )
)
#: What looks like one. Templates of other programs, as ``{{.ID}}`` or ``{{ name }}``, are theirs.
_WORD = re.compile(r"[A-Za-z][\w.-]*")


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


def faults(template: str) -> list[str]:
    """What is wrong with a template, a line each."""
    found: list[str] = []
    position = 0
    while (start := template.find("{{", position)) >= 0:
        end = template.find("}}", start + 2)
        if end < 0:
            found.append(
                f"mustache template error at pos={start + 2}: '{template[start:][:40]}' is not closed"
            )
            break
        tag = template[start + 2 : end]
        if tag.startswith(("id.", "jobid.")) and tag not in TAGS:
            found.append(f"Invalid jobid encoding '{tag}' specified: expected one of {', '.join(FORMS)}")
        elif tag not in TAGS and _WORD.fullmatch(tag):
            found.append(
                f"there is no tag {{{{{tag}}}}}: expected one such as {{{{id}}}} or {{{{task.rank}}}}"
            )
        position = end + 2
    return found
