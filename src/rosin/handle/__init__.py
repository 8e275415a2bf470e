# SPDX-License-Identifier: LGPL-3.0-or-later
"""The Flux handle: one sans-I/O protocol core, a blocking and an asyncio client."""
