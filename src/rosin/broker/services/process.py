# SPDX-License-Identifier: LGPL-3.0-or-later
"""``broker``: what can be asked of the process of a broker."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.broker.builtin import Builtin
from rosin.broker.module import request_handler
from rosin.errors import FormatError
from rosin.handle import builtin
from rosin.rfc.payload import describe, field, list_field

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class BrokerService(Builtin):
    """broker.getenv, broker.setenv, broker.conf-builtin, and the ping of the broker itself."""

    name = "broker"
    listed = False

    @request_handler("getenv")
    def getenv(self, msg: Message) -> dict[str, Any]:
        names = list_field(msg.args, "names", str)
        for name in names:
            _check_name(name)
        return {"env": {name: os.environ[name] for name in names if name in os.environ}}

    @request_handler("setenv")
    def setenv(self, msg: Message) -> None:
        changes = field(msg.args, "env", dict)
        for name, value in changes.items():  # all of them before any is set
            _check_name(name)
            if value is not None and (not isinstance(value, str) or not _is_c_string(value)):
                raise FormatError(f"broker.setenv: value of {name} must be text without NUL, or null")
        for name, value in changes.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    @request_handler("conf-builtin", allow_guest=True)
    def conf_builtin(self, msg: Message) -> dict[str, Any]:
        known = builtin.paths()
        keys = list_field(msg.args, "keys", str)
        for key in keys:
            if key not in known:
                raise OSError(errno.EINVAL, f"{key} is invalid: expected {', '.join(known)}")
        return {"values": {key: known[key] for key in keys}}


def _check_name(name: str) -> None:
    """Raise FormatError unless the environment can hold a variable of this name."""
    if not name or "=" in name or not _is_c_string(name):
        raise FormatError(f"{describe(name)} is not the name of a variable: it is empty or has a '=' or NUL")


def _is_c_string(text: str) -> bool:
    """Whether the environment can hold a text: no NUL, and no half of a surrogate pair."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
