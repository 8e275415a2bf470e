# SPDX-License-Identifier: LGPL-3.0-or-later
"""Posting an event to a job, for tests and tools (``.post-event``: ``job-manager.post-event.post``)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.errors import FormatError
from rosin.modules.job_manager.plugins.api import RESERVED, Plugin, service
from rosin.rfc.payload import field, id_field

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class PostEvent(Plugin):
    """The service ``post``."""

    name = ".post-event"

    @service("post")
    def post_event(self, msg: Message) -> None:
        """``{id, name, context?}``: any event but the manager's own."""
        args = msg.args
        id = id_field(args)
        name = field(args, "name", str)
        context = field(args, "context", (dict, type(None)), None)
        if id not in self.manager.active:
            raise OSError(errno.ENOENT, "unknown job id")
        if not name or name in RESERVED:
            raise OSError(errno.EINVAL, f"post-event: '{name}' is posted by the job manager only")
        try:
            self.post(self.manager.active[id], name, context)
        except FormatError as error:
            raise OSError(errno.EINVAL, str(error)) from None
