# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers as processes, killed, stopped, cut off, out of time and out of space while real jobs run."""

from __future__ import annotations

from rosin.testing.chaos.hostchecks import HostChecks
from rosin.testing.chaos.hostworld import NETWORK_FAULTS as NETWORK_FAULTS
from rosin.testing.chaos.hostworld import PRIVILEGED as PRIVILEGED
from rosin.testing.chaos.hostworld import PROCESS_FAULTS as PROCESS_FAULTS


class HostChaos(HostChecks):
    """Rounds on one cluster; see :class:`~rosin.testing.chaos.hostworld.HostWorld`."""

    def round(self) -> None:
        """Jobs, a fault while more are submitted, healing, and whether all is well."""
        if not self.cluster.up(self.all):
            self.problem(f"{self.cluster.group('broker.online')} are online a minute after the start")
            return
        kind = self.did = self.random.choice(self.kinds)
        some = self.jobs // 2
        self.ask(self.random.choice(self.all), some)
        self.collect()
        self.ask(self.random.choice(self.all), self.jobs - some)
        self.fault(kind)
        if self.network:
            self.network.heal()
        self.collect()
        self.slowest = max(self.slowest, self.use())
        if not self.cluster.up(self.all):
            self.problem(f"{self.cluster.group('broker.online')} are online a minute after the fault")
            return
        self.check()
