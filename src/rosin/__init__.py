# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rosin: Flux in Python."""

__version__ = "0.1.0"
