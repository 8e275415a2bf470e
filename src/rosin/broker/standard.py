# SPDX-License-Identifier: LGPL-3.0-or-later
"""Methods that every module has (RFC 5): ping, stats, config-reload, debug, rusage, shutdown."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING, Any, ClassVar

from rosin.broker.configcheck import check
from rosin.broker.handler import DEFERRED, request_handler
from rosin.broker.settings import differing
from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.errors import FormatError
from rosin.rfc.payload import field
from rosin.rfc.role import allowed

if TYPE_CHECKING:
    from rosin.broker.host import Host
    from rosin.broker.module_handle import ModuleHandle
    from rosin.broker.modulelog import ModuleLog
    from rosin.rfc.message import Message


class StandardMethods:
    """What :class:`~rosin.broker.module.BrokerModule` answers for every service."""

    builtin: ClassVar[bool]
    #: What :meth:`stats` tells may be shown to guests: it names nobody, no job and no content.
    public_stats: ClassVar[bool] = False
    #: Tables and keys of the configuration (``table.key``) that count when it starts, and then no more.
    read_at_start: tuple[str, ...] = ()
    host: Host
    h: ModuleHandle
    module_name: str
    config: dict[str, Any]
    log: ModuleLog
    started_with: dict[str, Any]
    debug_flags: int

    # -- what a service overrides -----------------------------------------------------------------

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Take a new configuration. Raise OSError or FormatError to refuse it before anything changes."""

    def stats(self) -> dict[str, Any] | None:
        """The answer to ``stats-get``; None for the message counts alone."""
        return None

    # -- requests ---------------------------------------------------------------------------------

    @request_handler("ping", allow_guest=True)
    def _ping(self, msg: Message) -> dict[str, Any]:
        hops = [hop.rpartition(b"/")[2][:8].decode(errors="replace") for hop in msg.route or []]
        hops += [self.host.uuid[:8].decode()]
        return {
            **msg.args,
            "route": "!".join(hops),
            "userid": msg.userid,
            "rolemask": msg.rolemask,
            "rank": self.host.rank,
        }

    def _message_counts(self) -> dict[str, Any]:
        names = ("request", "response", "event", "control")
        return {way: dict(zip(names, counts, strict=True)) for way, counts in self.h.counts.items()}

    @request_handler("stats-get", allow_guest=True)
    def _stats_get(self, msg: Message) -> dict[str, Any]:
        stats = self.stats()
        if stats is None:
            return self._message_counts()
        if not self.public_stats and not allowed(msg.rolemask):
            raise OSError(errno.EPERM, "these statistics are shown to the instance owner only")
        return stats

    @request_handler("stats-clear")
    def _stats_clear(self, _msg: Message) -> None:
        for counts in self.h.counts.values():
            counts[:] = [0, 0, 0, 0]

    @request_handler("config-reload")
    def _config_reload(self, msg: Message) -> dict[str, list[str]] | None:
        config = msg.args
        try:
            check(config)
            self.reconfigure(config)
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        self.config = config
        later = [
            f"{place} has no effect before {self.module_name} is loaded again"
            for place in differing(self.started_with, config, self.read_at_start)
        ]
        for line in later:
            self.log.warning(line)
        return {"warnings": later} if later else None

    @request_handler("debug")
    def _debug(self, msg: Message) -> dict[str, int]:
        self.debug_flags = _debug_flags(self.debug_flags, msg.args)
        return {"flags": self.debug_flags}

    @request_handler("rusage", allow_guest=True)
    def _rusage(self, msg: Message) -> dict[str, Any]:
        return _rusage(field(msg.args, "who", str, "self") if msg.has_payload else "self")

    @request_handler("shutdown")
    def _shutdown(self, _msg: Message) -> Any:
        if not self.builtin:
            self.h.rpc("module.remove", {"name": self.module_name}, flags=FLUX_RPC_NORESPONSE)
        return DEFERRED


def _debug_flags(current: int, args: dict[str, Any]) -> int:
    """The debug flags after a request ``{op, flags}``. Raises OSError EPROTO, FormatError."""
    op, flags = field(args, "op", str), field(args, "flags", int)
    if op == "setbit":
        return current | flags
    if op == "clrbit":
        return current & ~flags
    if op in ("set", "clr"):
        return flags if op == "set" else 0
    raise OSError(errno.EPROTO, f"debug: unknown op '{op}', expected setbit, clrbit, set or clr")


def _rusage(who: str) -> dict[str, Any]:
    """The resource usage of this process ("self"), its children or the thread. Raises OSError EPROTO."""
    targets = {
        "self": resource.RUSAGE_SELF,
        "children": resource.RUSAGE_CHILDREN,
        "thread": getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF),
    }
    if who not in targets:
        raise OSError(errno.EINVAL, f"rusage: '{who}' is unsupported, expected self, children or thread")
    usage = resource.getrusage(targets[who])
    return {name.removeprefix("ru_"): getattr(usage, name) for name in dir(usage) if name.startswith("ru_")}
