# SPDX-License-Identifier: LGPL-3.0-or-later
"""The shell's service, ``<uid>-shell-<job id>``: who may call it, and how its methods answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc import fluid
from rosin.rfc.role import authorized

if TYPE_CHECKING:
    from rosin.handle.flux import Flux
    from rosin.rfc.message import Message

#: Returned by a method that answers later, with :meth:`ShellHandle.respond`.
LATER = object()

Method = Callable[["Message"], Any]


def service_name(jobid: int) -> str:
    """Name of the service of this user's shells of a job."""
    return f"{os.getuid()}-shell-{fluid.encode(jobid, 'f58plain')}"


class ShellService:
    """Methods by name. A method returns its answer (or :data:`LATER`), or raises OSError or FormatError."""

    def __init__(self, handle: Flux, name: str) -> None:
        self._h = handle
        self.name = name
        self.methods: dict[str, Method] = {}
        #: What adds the methods ``NAME`` or ``NAME.*`` when the first of them is called.
        self.families: dict[str, Callable[[], object]] = {}
        #: Set when the shell is about to end: requests are refused from then on.
        self.closed = False
        # Guests too: the shell of a guest's job serves that guest, and this is where it is checked.
        handle.on_request(f"{name}.*", self._request, allow_guest=True)

    def find(self, name: str) -> Method | None:
        """The method of this name."""
        load = self.families.pop(name.partition(".")[0], None)
        if load is not None:
            load()
        return self.methods.get(name)

    def _request(self, msg: Message) -> None:
        if not authorized(msg.userid, msg.rolemask, os.getuid()):
            self._h.respond_error(msg, errno.EPERM, "only its owner may use this service")
            return
        if self.closed:
            # As if the service were gone already, which a client that sends standard input expects of a job
            # that ends.
            self._h.respond_error(msg, errno.ENOSYS, "the job shell is about to end")
            return
        method = self.find(msg.topic[len(self.name) + 1 :])
        if method is None:
            self._h.respond_error(msg, errno.ENOSYS, f"No service matching {msg.topic} is registered")
            return
        try:
            answer = method(msg)
        except OSError as error:
            self._h.respond_error(msg, error.errno or errno.EINVAL, error.strerror)
        except FormatError as error:
            self._h.respond_error(msg, errno.EPROTO, str(error))
        else:
            if answer is not LATER:
                self._h.respond(msg, answer)
