# SPDX-License-Identifier: LGPL-3.0-or-later
"""The heartbeat module: publishes ``heartbeat.pulse`` from rank 0 and watches for it elsewhere.

The pulse has no payload. Services use it to do rare work all at the same moment, so that idle brokers sleep
otherwise. Below rank 0 a pulse that stays away is first logged and then, after ``heartbeat.timeout``,
ends the connection to the parent, which the broker then makes anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.arguments import Argument, duration
from rosin.broker.module import BrokerModule, event_handler
from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.modules.heartbeat.settings import HeartbeatSettings
from rosin.rfc import fsd

if TYPE_CHECKING:
    from rosin.rfc.message import Message


class Heartbeat(BrokerModule):
    """Service ``heartbeat``: no methods of its own but ``stats-get``."""

    name = "heartbeat"
    arguments = (
        Argument(
            "period", "FSD", "between two heartbeats, until the configuration is loaded again", duration
        ),
    )
    public_stats = True

    async def start(self) -> None:
        self.settings = HeartbeatSettings.parse(self.config, self.arg_values)
        self.count = 0
        self.stamp = self.monotonic()
        self.overdue = False
        self.gave_up = False
        self.rank = int(self.attrs.get("rank", "0"))
        self._timer: Any = self.call_later(0, self._tick)

    async def stop(self) -> None:
        self._timer.cancel()

    def reconfigure(self, config: dict[str, Any]) -> None:
        changed = HeartbeatSettings.parse(config)  # the argument holds until then, as flux-core's does
        restart = changed.period != self.settings.period
        self.settings = changed
        if restart:
            self._timer.cancel()
            self._timer = self.call_later(changed.period, self._tick)

    def stats(self) -> dict[str, Any]:
        return {
            "period": self.settings.period,
            "timeout": self.settings.timeout,
            "count": self.count,
            "warn_thresh": self.settings.warn_thresh,
        }

    @event_handler("heartbeat.pulse")
    def pulse(self, msg: Message) -> None:
        if self.rank > 0:
            self.count += 1
        self.stamp = self.monotonic()
        self.gave_up = False

    def _tick(self) -> None:
        self._timer = self.call_later(self.settings.period, self._tick)
        if self.rank == 0:
            self.count += 1
            self.h.event_send("heartbeat.pulse")
        else:
            self._check()

    def _check(self) -> None:
        silence = self.monotonic() - self.stamp
        overdue = silence > self.settings.period * self.settings.warn_thresh
        if overdue != self.overdue:
            self.log.warning("heartbeat overdue" if overdue else "heartbeat received")
            self.overdue = overdue
        if self.settings.timeout >= 0 and silence > self.settings.timeout and not self.gave_up:
            self.gave_up = True
            reason = f"no heartbeat for {fsd.encode(silence)}"
            self.h.rpc("overlay.disconnect-parent", {"reason": reason}, flags=FLUX_RPC_NORESPONSE)
