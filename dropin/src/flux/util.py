# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.util."""

from rosin.cli.format import OutputFormat
from rosin.rfc.fsd import parse as parse_fsd

__all__ = ["OutputFormat", "parse_fsd"]
