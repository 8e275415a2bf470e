# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the instance has and what of it is available (RFC 20, 28, 44)."""
