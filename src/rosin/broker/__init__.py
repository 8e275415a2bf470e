# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker: router, modules, local connector, state machine."""
