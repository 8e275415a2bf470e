# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of the job manager (``job-manager.jobtap``): there are none, and a request for one says so.

What flux-core's builtin plugins do (priorities, limits, dependencies, updates, history) is part of the job
manager here; shared objects made for flux-core's C interface cannot be loaded.
"""

from __future__ import annotations

import errno
from typing import Any

from rosin.rfc.payload import field

_TEXT = (str, type(None))


def request(args: dict[str, Any]) -> dict[str, Any] | None:
    """``{load?, conf?, remove?, query_only?}`` -> ``{plugins}`` for a query. Raises OSError ENOENT."""
    if field(args, "query_only", bool, False):
        return {"plugins": []}
    load, remove = field(args, "load", _TEXT, None), field(args, "remove", _TEXT, None)
    if remove is not None and remove != "all":
        raise OSError(errno.ENOENT, "Failed to find plugin to remove")
    if load is not None:
        raise OSError(errno.ENOENT, f"{load}: No such plugin found: this job manager loads no plugins")
    return None
