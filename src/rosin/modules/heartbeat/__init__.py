# SPDX-License-Identifier: LGPL-3.0-or-later
"""The heartbeat service: one event per period that tells every broker its parent is alive."""
