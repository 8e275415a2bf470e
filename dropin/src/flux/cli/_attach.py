# SPDX-License-Identifier: LGPL-3.0-or-later
"""From the command that has submitted a job to the one that follows it."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def attach(jobid: str, *options: str) -> NoReturn:
    """Become ``flux job attach``."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "flux", "job", "attach", *options, jobid])
