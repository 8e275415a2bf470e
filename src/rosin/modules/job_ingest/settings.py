# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of job-ingest: ``[ingest]``, ``[policy]`` and ``[queues]``, and the module's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS
from rosin.modules.job_ingest import validator
from rosin.modules.job_ingest.policy import PolicyDefaults

if TYPE_CHECKING:
    from rosin.broker.settings import Config


class IngestSettings(NamedTuple):
    """``policy``: what is added to jobs, and who may submit where; ``checks``: the names of those made."""

    policy: PolicyDefaults
    checks: frozenset[str]

    @classmethod
    def parse(cls, config: dict[str, Any], arguments: Config = NO_ARGUMENTS) -> IngestSettings:
        """Read them; *arguments* win over the tables. Raises FormatError that names the key."""
        return cls(PolicyDefaults(config), validator.checks(config, arguments))
