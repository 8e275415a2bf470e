# SPDX-License-Identifier: LGPL-3.0-or-later
"""Schedulers (RFC 27): the protocol and the queue once for all, and policies that differ.

A scheduler is a :class:`Policy` and a :class:`Scheduler` that names it (docs/how-to/scheduler.md). It
computes with the resources of :mod:`rosin.resource.allocator`.
"""

from __future__ import annotations

from rosin.modules.sched.backfill import BACKFILL, Backfill
from rosin.modules.sched.base import Scheduler
from rosin.modules.sched.job import PendingJob
from rosin.modules.sched.policy import Deny, Policy, Start
from rosin.resource.allocator.placement import Portion
from rosin.resource.allocator.request import ResourceRequest

__all__ = [
    "BACKFILL",
    "Backfill",
    "Deny",
    "PendingJob",
    "Policy",
    "Portion",
    "ResourceRequest",
    "Scheduler",
    "Start",
]
