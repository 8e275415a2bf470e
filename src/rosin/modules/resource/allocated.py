# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is allocated: the job manager knows. Those who ask at the same time share its answer."""

from __future__ import annotations

import asyncio
from errno import EINVAL, ENOSYS
from typing import TYPE_CHECKING, Any

from rosin.rfc.payload import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.module import BrokerModule


class Allocated:
    """Asks on behalf of *module*. ``answer(R)`` makes an answer of it; None: there is no job manager."""

    def __init__(
        self, module: BrokerModule, answer: Callable[[dict[str, Any] | None], dict[str, Any]]
    ) -> None:
        self._module = module
        self._answer = answer
        self._question: asyncio.Task[dict[str, Any] | OSError] | None = None

    async def get(self) -> dict[str, Any]:
        """The answer. Raises OSError EINVAL when the job manager gives none."""
        if self._question is None:
            self._question = self._module.create_task(self._ask())
        answer = await asyncio.shield(self._question)
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def _ask(self) -> dict[str, Any] | OSError:
        try:
            allocated = field(await self._module.h.rpc("job-manager.resource-status"), "allocated", dict)
        except OSError as error:
            if error.errno != ENOSYS:  # no job manager: nothing is allocated
                return OSError(EINVAL, f"job-manager.resource-status request failed: {error.strerror}")
            allocated = None
        finally:
            self._question = None
        return self._answer(allocated)
