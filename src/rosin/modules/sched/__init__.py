# SPDX-License-Identifier: LGPL-3.0-or-later
"""Schedulers (RFC 27): the protocol, the queue and the resources once for all, and policies that differ.

A scheduler is a :class:`Policy` and a :class:`Scheduler` that names it (docs/how-to/scheduler.md). Names are
imported when they are first used: what computes with resources does not pay for a broker module.
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.modules.sched.base import Scheduler
    from rosin.modules.sched.job import PendingJob
    from rosin.modules.sched.placement import Portion
    from rosin.modules.sched.policy import Deny, Policy, Start
    from rosin.modules.sched.request import ResourceRequest

__all__ = ["Deny", "PendingJob", "Policy", "Portion", "ResourceRequest", "Scheduler", "Start"]

_WHERE = {
    "Deny": "policy",
    "PendingJob": "job",
    "Policy": "policy",
    "Portion": "placement",
    "ResourceRequest": "request",
    "Scheduler": "base",
    "Start": "policy",
}
__getattr__, __dir__ = on_first_use(__name__, _WHERE)
