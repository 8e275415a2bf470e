# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14 and 25: job specifications. Each part is loaded when it is first used: what makes one reads none.

:mod:`~rosin.rfc.jobspec.build` makes them, :mod:`~rosin.rfc.jobspec.rules` says what is wrong with one,
:class:`Jobspec` what one asks for, and :mod:`~rosin.rfc.jobspec.lower` makes one of version 1 of any other.
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.rfc.jobspec.jobspec import Jobspec
    from rosin.rfc.jobspec.rules import validate

__all__ = ["Jobspec", "validate"]

__getattr__, __dir__ = on_first_use(__name__, {"Jobspec": "jobspec", "validate": "rules"})
