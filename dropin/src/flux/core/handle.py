# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.core.handle."""

from __future__ import annotations

from rosin.handle.flux import Flux as _Flux


class Flux(_Flux):
    """:class:`rosin.handle.Flux`."""

    @property
    def closed(self) -> bool:
        """Whether the connection was closed or lost."""
        return self._sock is None or self._lost is not None


__all__ = ["Flux"]
