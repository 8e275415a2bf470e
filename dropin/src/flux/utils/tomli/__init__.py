# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.utils.tomli: the standard library's tomllib."""

from tomllib import TOMLDecodeError, load, loads

__all__ = ["TOMLDecodeError", "load", "loads"]
