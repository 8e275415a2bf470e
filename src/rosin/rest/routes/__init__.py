# SPDX-License-Identifier: LGPL-3.0-or-later
"""The API without a prefix: one router per noun."""
