# SPDX-License-Identifier: LGPL-3.0-or-later
"""The cron service: commands at intervals, at dates, and on events."""
