# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who asks, and what they may."""
