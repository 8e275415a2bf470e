# SPDX-License-Identifier: LGPL-3.0-or-later
"""Whole trees of the key-value store: into archives and back, checked, and freed of what nobody refers to."""
