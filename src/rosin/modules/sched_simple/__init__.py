# SPDX-License-Identifier: LGPL-3.0-or-later
"""The scheduler: first come, first served by priority (RFC 27, services ``sched`` and ``feasibility``)."""
