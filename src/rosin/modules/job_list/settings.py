# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the job list: ``[job-list]``, private mode and the queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS, AccessSettings, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rosin.broker.settings import Config

#: Comparisons that one request may cost.
MAX_COMPARISONS = 1_000_000


class JobListSettings(NamedTuple):
    """The settings.

    Attributes:
        max_comparisons: what one request may cost; 0 for no limit.
        private: guests learn of their own jobs only.
        queues: the table ``[queues]``.
        parents: names of queues, and of the queues above them.
    """

    max_comparisons: int
    private: bool
    queues: Mapping[str, Any]
    parents: Mapping[str, str]

    @classmethod
    def parse(cls, config: Config, _arguments: Config = NO_ARGUMENTS) -> JobListSettings:
        """Read them. Raises FormatError that names the key."""
        queues = Table(config, "queues").values
        parents = {name: Table(queues, name).get("parent", str) for name in queues}
        return cls(
            Table(config, "job-list").integer("max_comparisons", MAX_COMPARISONS, 0),
            AccessSettings.parse(config).private_mode,
            queues,
            {name: parent for name, parent in parents.items() if parent is not None},
        )
