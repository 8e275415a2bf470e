# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the KVS: the ``[kvs]`` table (flux-config-kvs) and the module's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.settings import NO_ARGUMENTS, Table

if TYPE_CHECKING:
    from rosin.broker.settings import Config

#: Seconds after which a checkpoint is written in any case.
CHECKPOINT_PERIOD = 5.0


class KvsSettings(NamedTuple):
    """The settings.

    Attributes:
        checkpoint_period: seconds after which a root is stored, at most :data:`CHECKPOINT_PERIOD`: a longer
            period would only make the journal longer.
        merge: transactions are applied together.
        initial_root: blobref of the root to begin with, instead of the newest.
    """

    checkpoint_period: float = CHECKPOINT_PERIOD
    merge: bool = True
    initial_root: str | None = None

    @classmethod
    def parse(cls, config: Config, arguments: Config = NO_ARGUMENTS) -> KvsSettings:
        """Read them. Raises FormatError that names the key."""
        period = Table(config, "kvs").seconds("checkpoint-period", CHECKPOINT_PERIOD)
        return cls(
            min(period or CHECKPOINT_PERIOD, CHECKPOINT_PERIOD),
            bool(arguments.get("transaction-merge", True)),
            arguments.get("initial-rootref"),
        )
