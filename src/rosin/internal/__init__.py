# SPDX-License-Identifier: LGPL-3.0-or-later
"""Formats between Rosin's own services: no RFC has them, no client sees them, any may change."""
