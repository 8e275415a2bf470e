# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests about the plugins of the job manager (``job-manager.jobtap``)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.modules.job_manager.plugins import load
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.modules.job_manager.manager import Manager
    from rosin.rfc.message import Message


def request(manager: Manager, msg: Message) -> dict[str, Any] | None:
    """``{load?, conf?, remove?, query_only?}`` -> ``{plugins}`` for a query. Raises OSError."""
    args = msg.args
    if field(args, "query_only", bool, False):
        return {"plugins": [plugin.name for plugin in manager.jobtap.plugins]}
    load.change(manager.jobtap, args)
    return None


def query(manager: Manager, msg: Message) -> dict[str, Any]:
    """``{name}`` -> what is known of a plugin. Raises OSError EINVAL if there is none, or no name."""
    try:
        name = field(msg.args, "name", str)
    except FormatError as error:
        raise OSError(errno.EINVAL, str(error)) from None
    return manager.jobtap.query(name)
