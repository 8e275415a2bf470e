# SPDX-License-Identifier: LGPL-3.0-or-later
"""``attr``: broker attributes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.module import BrokerModule, request_handler
from rosin.errors import FormatError
from rosin.rfc.payload import field
from rosin.rfc.syslog import severity

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class AttrService(BrokerModule):
    """attr.get, attr.set, attr.rm, attr.list."""

    name = "attr"
    builtin = True
    listed = False

    @request_handler("get", allow_guest=True)
    def get(self, msg: Message) -> dict[str, Any]:
        value, flags = self.broker.attrs.get(field(msg.args, "name", str))
        return {"value": value, "flags": flags}

    @request_handler("set")
    def set(self, msg: Message) -> None:
        name, value = field(msg.args, "name", str), field(msg.args, "value", str)
        if name.startswith("log-"):
            set_log_attribute(self.broker.ring, name, value)
        if name == "content.dump":
            check_dump(name, value)
        self.broker.attrs.set(name, value, field(msg.args, "force", bool, False))

    @request_handler("rm")
    def rm(self, msg: Message) -> None:
        self.broker.attrs.remove(field(msg.args, "name", str))

    @request_handler("list", allow_guest=True)
    def list(self, _msg: Message) -> dict[str, Any]:
        return {"names": self.broker.attrs.names()}


def check_dump(name: str, value: str) -> None:
    """Refuse what ``content.dump`` and ``content.restore`` cannot mean here. Raises OSError EINVAL.

    ``auto`` of the one asks for a collection of garbage at shutdown; of the other, which looks for the dump
    that flux-core makes of it, it asks for nothing.
    """
    if value not in ("", "auto"):
        what = "write" if name == "content.dump" else "read"
        raise OSError(errno.EINVAL, f"this broker does not {what} dumps: use auto, or remove it")


def set_log_attribute(ring: Any, name: str, value: str) -> None:
    """Make a ``log-*`` attribute take effect. Raises OSError (EINVAL) for a value it cannot have."""
    try:
        if name == "log-stderr-level":
            ring.stderr_level = severity(value)
        elif name == "log-level":
            ring.level = severity(value)
        elif name == "log-ring-size":
            if not (value.isascii() and value.isdigit()):
                raise FormatError(f"expected a number of lines >= 0, got '{value}'")
            ring.resize(int(value))
    except ValueError as exc:
        raise OSError(errno.EINVAL, f"{name}: {exc}") from None
