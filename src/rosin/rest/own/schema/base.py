# SPDX-License-Identifier: LGPL-3.0-or-later
"""What all bodies have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base of what is answered and asked: no member is ignored, no number is infinite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
