# SPDX-License-Identifier: LGPL-3.0-or-later
"""``attr``: broker attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.attrtable import without_effect
from rosin.broker.builtin import Builtin
from rosin.broker.logsinks import apply_levels
from rosin.broker.module import request_handler
from rosin.rfc.payload import field

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class AttrService(Builtin):
    """attr.get, attr.set, attr.rm, attr.list."""

    name = "attr"
    listed = False

    @request_handler("get", allow_guest=True)
    def get(self, msg: Message) -> dict[str, Any]:
        value, flags = self.broker.attrs.get(field(msg.args, "name", str))
        return {"value": value, "flags": flags}

    @request_handler("set")
    def set(self, msg: Message) -> None:
        name, value = field(msg.args, "name", str), field(msg.args, "value", str)
        self.broker.attrs.set(name, value, field(msg.args, "force", bool, False))
        apply_levels(self.broker.ring, self.broker.attrs)
        for line in without_effect({name: value}):
            self.log.warning(line)

    @request_handler("rm")
    def rm(self, msg: Message) -> None:
        self.broker.attrs.remove(field(msg.args, "name", str))

    @request_handler("list", allow_guest=True)
    def list(self, _msg: Message) -> dict[str, Any]:
        return {"names": self.broker.attrs.names()}
