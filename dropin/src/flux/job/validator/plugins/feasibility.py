# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whether the resources could ever run the job; passed where nothing can tell (no such service)."""

from __future__ import annotations

import errno
from typing import Any

from flux.job.validator import ValidatorPlugin

__all__ = ["Validator"]


class Validator(ValidatorPlugin):
    """Asks the feasibility service."""

    def __init__(self, parser: Any) -> None:
        super().__init__(parser)
        self.service_name = "feasibility.check"

    def validate(self, args: Any) -> tuple[int, str | None] | None:
        try:
            self.flux.rpc(self.service_name, args.jobinfo).get()
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                return (exc.errno or errno.EINVAL, exc.strerror)
        return None
