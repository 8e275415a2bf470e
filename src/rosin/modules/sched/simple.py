# SPDX-License-Identifier: LGPL-3.0-or-later
"""The schedulers in the box: ``sched-simple``, and two of other names and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rosin.broker.arguments import Argument, choice
from rosin.modules.sched.backfill import BACKFILL, Backfill
from rosin.modules.sched.base import Scheduler
from rosin.modules.sched.settings import FORECAST_DEPTH, LOG_LEVEL, QUEUE_DEPTH, depth
from rosin.resource.allocator.placement import ALLOC_MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rosin.resource.allocator.placement import Portion
    from rosin.resource.allocator.request import ResourceRequest


def _mode(text: str) -> int:
    mode, _, limit = text.partition("=")
    if mode not in ("limited", "unlimited") or (limit == "") != (mode == "unlimited"):
        raise ValueError("expected unlimited or limited=N")
    return depth(limit or mode)


class Simple(Backfill):
    """The ``queue-policy`` is what is set; nodes in the order of ``alloc-mode``."""

    default = "fcfs"

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._mode = ALLOC_MODES[self.settings.get("alloc-mode", "worst-fit")]

    def place(self, request: ResourceRequest, portions: list[Portion]) -> Iterable[Portion]:
        """Return the portions in the order that was asked for."""
        return self._mode(portions)


class SchedSimple(Scheduler):
    """The scheduler that is loaded by default."""

    name = "sched-simple"
    policy = Simple
    aliases: ClassVar = {"mode": "queue-depth"}
    arguments = (
        Argument(
            "mode", "limited=N|unlimited", "jobs that are looked at, in the words of old releases", _mode
        ),
        QUEUE_DEPTH,
        *BACKFILL,
        FORECAST_DEPTH,
        Argument("alloc-mode", "MODE", f"order of nodes: {', '.join(ALLOC_MODES)}", choice(*ALLOC_MODES)),
        LOG_LEVEL,
        Argument("test-hello-nopartial", "", "do not take over jobs that have lost nodes, for tests"),
    )

    async def start(self) -> None:
        """See the base class; flux-core's tests have it not understand partial release."""
        self.partial_ok = "test-hello-nopartial" not in self._parse(self.config)
        await super().start()


class Easy(Simple):
    """The same with backfill by default."""

    default = "easy"


class SchedBackfill(SchedSimple):
    """flux-core's scheduler of that name."""

    name = "sched-backfill"
    policy = Easy


class SchedFifo(SchedSimple):
    """flux-core's scheduler of that name: no other policy than its name says is expected of it."""

    name = "sched-fifo"
