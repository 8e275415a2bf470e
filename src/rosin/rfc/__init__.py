# SPDX-License-Identifier: LGPL-3.0-or-later
"""Formats of the Flux RFCs: pure, no I/O, no clock."""

from rosin.rfc import _moved as _moved
