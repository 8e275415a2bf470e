# SPDX-License-Identifier: LGPL-3.0-or-later
"""Who may use how much, and who has used how much: banks, users in banks, limits, usage, fair share."""
