# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of job-ingest: ``[ingest]``, ``[policy]`` and ``[queues]``, and the module's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin import _size
from rosin.broker.arguments import Argument, number, size
from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError
from rosin.modules.job_ingest import validator
from rosin.modules.job_ingest.policy import PolicyDefaults

if TYPE_CHECKING:
    from rosin.broker.settings import Config
    from rosin.modules.job_ingest.crew import CrewSettings
    from rosin.modules.job_ingest.require_instance import RequireInstance

#: FLUIDs have 14 bits for the generator (RFC 19): brokers beyond that leave ingest to their parent.
_MAX_GENERATOR = 16383
#: flux-core's.
_BUFFER_SIZE = "10M"

ARGUMENTS = (
    *validator.ARGUMENTS,
    Argument("max-fluid-generator-id", "N", "highest rank that gives job ids", number(0, _MAX_GENERATOR)),
    Argument("batch-count", "N", "", number(0), "a batch is what arrives in one turn of the loop"),
    Argument("buffer-size", "SIZE", "as the key of the table `[ingest]`", size),
    Argument("allow-root-jobs", "", "root may submit to an instance of another user"),
)


class IngestSettings(NamedTuple):
    """``policy``: what is added to jobs, and who may submit where; ``checks``: the names of those made.

    ``instances``: which jobs have to be instances; ``max_generator``: the highest rank that gives job ids;
    ``allow_root_jobs``: root may submit to an instance of another user; ``strict``: jobs have to be
    of version 1; ``crew``: the processes for checks of files; ``room``: bytes of a job that they take.
    """

    policy: PolicyDefaults
    checks: frozenset[str]
    instances: RequireInstance | None
    max_generator: int
    allow_root_jobs: bool
    strict: bool
    crew: CrewSettings | None
    room: int

    @classmethod
    def parse(cls, config: dict[str, Any], arguments: Config = NO_ARGUMENTS) -> IngestSettings:
        """Read them; *arguments* win over the tables. Raises FormatError that names the key."""
        checks = validator.checks(config, arguments)
        return cls(
            PolicyDefaults(config),
            checks,
            validator.instances(config, checks, arguments),
            arguments.get("max-fluid-generator-id", _MAX_GENERATOR),
            "allow-root-jobs" in arguments,
            validator.strict(config, arguments),
            validator.crew(config, checks),
            _room(config, arguments),
        )


def _room(config: dict[str, Any], arguments: Config) -> int:
    text: str = arguments.get("buffer-size") or Table(config, "ingest").get("buffer-size", str, _BUFFER_SIZE)
    try:
        return _size.parse(size(text))
    except ValueError as error:
        raise FormatError(f"ingest.buffer-size: {error}, got {text!r}") from None
