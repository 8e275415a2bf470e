# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[ingest.validator]``: which checks a job passes before it is taken (flux-config-ingest).

``jobspec`` (the default) checks the form of a jobspec, ``feasibility`` asks the scheduler whether the
instance could ever run it.
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.payload import field

JOBSPEC, FEASIBILITY = "jobspec", "feasibility"


def checks(config: dict[str, Any]) -> frozenset[str]:
    """The names of the checks that a configuration asks for. Raises FormatError for one that is unknown."""
    table = field(field(config, "ingest", dict, {}), "validator", dict, {})
    if field(table, "disable", bool, False):
        return frozenset()
    names = field(table, "plugins", list, [JOBSPEC])
    for name in names:
        if name not in (JOBSPEC, FEASIBILITY):
            known = f"{JOBSPEC}, {FEASIBILITY}"
            raise FormatError(f"ingest.validator.plugins: {name!r} is not a check (known: {known})")
    return frozenset(names)
