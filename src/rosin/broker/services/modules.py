# SPDX-License-Identifier: LGPL-3.0-or-later
"""``module``: load, remove, list and trace broker modules (RFC 5)."""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING, Any

from rosin.broker.builtin import Builtin
from rosin.broker.module import request_handler
from rosin.broker.trace import Trace
from rosin.errors import FormatError
from rosin.rfc.payload import field, list_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rosin.rfc.message import Message


class ModuleService(Builtin):
    """module.load, module.reload, module.remove, module.list, module.debug, module.trace."""

    name = "module"
    listed = False

    @request_handler("load")
    async def load(self, msg: Message) -> None:
        args = list_field(msg.args, "args", str, [])
        path, name = field(msg.args, "path", str), field(msg.args, "name", str, None)
        loader = field(msg.args, "loader", (str, type(None)), None)
        try:
            await self.broker.modules.load(
                path, args, name, process=field(msg.args, "exec", bool, False), loader=loader
            )
        except OSError:
            raise
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        except Exception as exc:
            # Who asks is often the module's author: the cause is told here, the traceback is in the log.
            text = "".join(traceback.format_exception(exc))
            self.log.error(f"load {path}: {text}")
            raise OSError(errno.EINVAL, f"{type(exc).__name__}: {exc}") from None

    @request_handler("reload")
    async def reload(self, msg: Message) -> None:
        """Replace a module, or leave it as it was. flux-core has no such request, its clients use two."""
        await self.broker.modules.reload(
            field(msg.args, "path", str),
            list_field(msg.args, "args", str, []),
            field(msg.args, "name", str, None),
            process=field(msg.args, "exec", bool, False),
            loader=field(msg.args, "loader", (str, type(None)), None),
            cancel=field(msg.args, "cancel", bool, False),
        )

    @request_handler("remove")
    async def remove(self, msg: Message) -> None:
        name, cancel = field(msg.args, "name", str), field(msg.args, "cancel", bool, False)
        await self.broker.modules.remove(name, cancel=cancel)

    @request_handler("list", allow_guest=True)
    def list(self, _msg: Message) -> dict[str, Any]:
        return {
            "mods": [peer.describe() for peer in self.broker.modules.peers.values() if peer.module.listed]
        }

    @request_handler("trace")
    async def trace(self, msg: Message) -> AsyncIterator[dict[str, Any]]:
        trace = Trace(msg.args)
        self.broker.traces.add(trace)
        try:
            while True:
                yield await trace.next()
        finally:
            self.broker.traces.discard(trace)

    @request_handler("debug")
    def debug(self, msg: Message) -> None:
        name = field(msg.args, "name", str)
        peer = self.broker.modules.peers.get(name)
        if peer is None:
            raise OSError(errno.ENOENT, f"module {name} is not loaded")
        peer.defer(field(msg.args, "defer", bool, False))
