# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of the store: its module's arguments, which are flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.broker.arguments import Argument
from rosin.broker.settings import NO_ARGUMENTS

if TYPE_CHECKING:
    from rosin.broker.settings import Config

ARGUMENTS = (
    Argument("testing", "", "do not register as the backing store, for tests"),
    Argument("truncate", "", "begin with an empty directory"),
)


class FilesSettings(NamedTuple):
    """Whether the store is not to register, and whether it begins empty."""

    testing: bool
    truncate: bool

    @classmethod
    def parse(cls, _config: Config, arguments: Config = NO_ARGUMENTS) -> FilesSettings:
        """Read them; the configuration has no table for this store."""
        return cls(*(name in arguments for name in cls._fields))
