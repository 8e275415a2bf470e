# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.memoized_property."""

from functools import cached_property as memoized_property

__all__ = ["memoized_property"]
