# SPDX-License-Identifier: LGPL-3.0-or-later
"""Requests that wait for all jobs to be over (``drain``) or for none to run (``idle``); what is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.broker.waiters import Waiter, Waiters
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.modules.job_manager.alloc import Alloc
    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.housekeeping import Housekeeping
    from rosin.rfc.message import Message


class Drain:
    """The waiting requests, and the resources that jobs hold (``resource-status``)."""

    def __init__(self, manager: Core, alloc: Alloc, housekeeping: Housekeeping) -> None:
        self.manager = manager
        self.alloc = alloc
        self.housekeeping = housekeeping
        self._drains: Waiters[Waiter] = Waiters(manager.port)
        self._idles: Waiters[Waiter] = Waiters(manager.port)
        self._status: dict[str, Any] | None = None

    def wait_drained(self, msg: Message) -> None:
        """Answer *msg* when no job is active."""
        self._drains.add(Waiter(msg))
        self.check()

    def wait_idle(self, msg: Message) -> None:
        """Answer *msg* when no job runs and no allocation is pending."""
        self._idles.add(Waiter(msg))
        self.check()

    def check(self) -> None:
        """Answer what has come true."""
        manager = self.manager
        if self._drains and not manager.active:
            for waiter in self._drains.take():
                manager.answer(waiter.msg, None)
        if self._idles and not manager.running and not self.alloc.sent:
            for waiter in self._idles.take():
                manager.answer(waiter.msg, {"pending": len(manager.active)})

    def disconnected(self, sender: bytes) -> None:
        """Forget what the client *sender* waited for."""
        self._drains.drop(sender)
        self._idles.drop(sender)

    def fail(self, errnum: int, text: str) -> None:
        """Answer all that wait with an error."""
        self._drains.end(errnum, text)
        self._idles.end(errnum, text)

    def resources_changed(self) -> None:
        """Resources were allocated or returned."""
        self._status = None

    def resource_status(self) -> dict[str, Any]:
        """``{"allocated": R}``: all that jobs and housekeeping hold, without times."""
        if self._status is None:
            total = ResourceSet()
            for job in self.manager.active.values():
                if job.has_resources and not job.bypass and job.R is not None:
                    total.append(ResourceSet.decode(job.R))
            for held in self.housekeeping.resources():
                total.append(held)
            total.starttime = total.expiration = 0.0
            self._status = {"allocated": total.encode()}
        return self._status
