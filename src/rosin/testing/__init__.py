# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers in one process, on a virtual clock, for tests."""
