# SPDX-License-Identifier: LGPL-3.0-or-later
"""The subprocess server (RFC 42) without what it is part of: a broker's module ``rexec``, or a job shell.

Who hosts it passes requests on, and lends a loop that has asyncio's ``add_reader``, ``call_later`` and so on.
"""
