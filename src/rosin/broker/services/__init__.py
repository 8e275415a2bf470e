# SPDX-License-Identifier: LGPL-3.0-or-later
"""Services that are part of every broker."""
