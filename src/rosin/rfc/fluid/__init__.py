# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19: job ids and the forms in which they are written."""

from rosin.rfc.fluid.fluid import (
    FORMS,
    MAX_FLUID,
    MAX_GENERATOR,
    Generator,
    encode,
    parse,
    timestamp,
)

__all__ = [
    "FORMS",
    "MAX_FLUID",
    "MAX_GENERATOR",
    "Generator",
    "encode",
    "parse",
    "timestamp",
]
