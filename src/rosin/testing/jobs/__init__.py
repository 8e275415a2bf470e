# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs on one broker to which everything is done that users, administrators and power supplies can do.

Job manager, scheduler, KVS and all others are the real ones, in one process and on a virtual clock; jobs are
mock jobs. ``python -m benchmarks.machine`` chooses what is done.
"""

from __future__ import annotations

from rosin.testing.jobs.checks import JobChecks as JobChecks
from rosin.testing.jobs.world import GUESTS as GUESTS
from rosin.testing.jobs.world import HOSTS as HOSTS
from rosin.testing.jobs.world import QUEUES as QUEUES
from rosin.testing.jobs.world import RELOADED as RELOADED
