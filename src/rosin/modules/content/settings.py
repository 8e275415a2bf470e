# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the content service: its module's arguments, with flux-core's names where it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.arguments import Argument, number
from rosin.broker.settings import NO_ARGUMENTS

if TYPE_CHECKING:
    from rosin.broker.settings import Config

ARGUMENTS = (
    Argument("purge-target-size", "BYTES", "what is kept in memory of blobs that are stored", number(0)),
    Argument("blob-size-limit", "BYTES", "largest blob that is taken", number(0)),
    Argument("purge-old-entry", "SECONDS", "", number(0), "blobs go by size alone"),
    Argument("flush-batch-limit", "N", "", number(0), "blobs are stored in batches of a size"),
)


class ContentSettings(NamedTuple):
    """Bytes of stored blobs that are kept in memory, and of the largest blob that is taken."""

    purge_target_size: int = 64 << 20
    blob_size_limit: int = 1 << 30

    @classmethod
    def parse(cls, _config: Config, arguments: Config = NO_ARGUMENTS) -> ContentSettings:
        """Read them; the configuration has no table for this service."""
        given = {name.replace("-", "_"): value for name, value in arguments.items()}
        return cls(**{name: value for name, value in given.items() if name in cls._fields})
