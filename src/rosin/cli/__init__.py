# SPDX-License-Identifier: LGPL-3.0-or-later
"""The rosin command, one module per command."""
