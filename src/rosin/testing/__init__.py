# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers in one process for tests: memory transport, virtual clock."""

from rosin.testing.instance import Instance, MemoryFlux

__all__ = ["Instance", "MemoryFlux"]
