# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 31: which nodes a job may use; :mod:`rosin.rfc.constraint.query` reads the texts of RFC 35."""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.rfc.constraint.constraint import (
        MAX_DEPTH,
        OPERATORS,
        Constraint,
        compile,
        copy_constraint,
        validate,
    )

__all__ = ["MAX_DEPTH", "OPERATORS", "Constraint", "compile", "copy_constraint", "validate"]

__getattr__, __dir__ = on_first_use(__name__, dict.fromkeys(__all__, "constraint"))
