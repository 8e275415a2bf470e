# SPDX-License-Identifier: LGPL-3.0-or-later
"""A job under execution, as the module sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.modules.job_exec.writer import GuestSpace

if TYPE_CHECKING:
    from rosin.broker.clock import TimerHandle
    from rosin.handle.rpc import RPC
    from rosin.modules.job_exec.job import ExecJob
    from rosin.rfc.message import Message


class Run:
    """A job under execution with everything outside of it that belongs to it."""

    __slots__ = (
        "answers",
        "asked",
        "expires",
        "guest",
        "job",
        "msg",
        "shells",
        "sought",
        "statuses",
        "timers",
    )

    def __init__(self, job: ExecJob, msg: Message) -> None:
        self.job = job
        self.msg = msg  # the start request
        self.guest = GuestSpace(job.id)
        self.timers: dict[str, TimerHandle] = {}
        self.expires = 0.0
        #: Answers that are held back until what they go with is on its way to the KVS.
        self.answers: list[dict[str, Any]] = []
        self.shells: dict[int, RPC] = {}  # rank -> the exec stream of its shell
        self.sought: dict[int, float] = {}  # rank -> until when its shell is looked for
        self.asked: list[Message] = []  # shells that are back before their job is
        self.statuses: dict[int, int] = {}
