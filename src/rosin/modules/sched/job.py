# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job that waits for resources (RFC 27)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosin.resource.allocator.request import ResourceRequest


class PendingJob:
    """A job that waits for resources.

    Attributes:
        id: job id. Ids ascend in the order of submission.
        priority: 0 to 4294967295, higher is sooner.
        request: what it asks for.
        userid: its owner.
        t_submit: seconds since the epoch, 0.0 where it is not known.
        estimate: the start time that was last announced, or None.
    """

    __slots__ = ("estimate", "id", "priority", "request", "t_submit", "userid")

    def __init__(
        self, id: int, priority: int, request: ResourceRequest, userid: int = 0, t_submit: float = 0.0
    ) -> None:
        self.id = id
        self.priority = priority
        self.request = request
        self.userid = userid
        self.t_submit = t_submit
        self.estimate: float | None = None
