# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of the job manager (``job-manager.jobtap``): the builtin ones, and no way to load others.

What flux-core's builtin plugins do is part of the job manager here and known under their names; shared
objects made for flux-core's C interface cannot be loaded.
"""

from __future__ import annotations

import errno
from typing import Any

from rosin.rfc.payload import field

_TEXT = (str, type(None))
_BUILTIN = (
    ".priority-default",
    ".limit-job-size",
    ".limit-duration",
    ".dependency-after",
    ".dependency-singleton",
    ".begin-time",
    ".validate-duration",
    ".update-duration",
    ".history",
    ".post-event",
    ".update-queue",
)


def request(args: dict[str, Any]) -> dict[str, Any] | None:
    """``{load?, conf?, remove?, query_only?}`` -> ``{plugins}`` for a query. Raises OSError ENOENT, EPERM."""
    if field(args, "query_only", bool, False):
        return {"plugins": list(_BUILTIN)}
    load, remove = field(args, "load", _TEXT, None), field(args, "remove", _TEXT, None)
    if remove in _BUILTIN:
        raise OSError(errno.EPERM, f"{remove} is part of this job manager and cannot be removed")
    if remove is not None and remove != "all":
        raise OSError(errno.ENOENT, "Failed to find plugin to remove")
    if load is not None:
        raise OSError(errno.ENOENT, f"{load}: No such plugin found: this job manager loads no plugins")
    return None


def query(name: str) -> dict[str, Any]:
    """``job-manager.jobtap-query``: what is known of a plugin. Raises OSError EINVAL if there is none."""
    if name not in _BUILTIN:
        raise OSError(errno.EINVAL, f"{name}: plugin not found")
    return {"name": name, "path": "builtin"}
