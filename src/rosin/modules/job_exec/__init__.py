# SPDX-License-Identifier: LGPL-3.0-or-later
"""The execution service (RFC 32): starts the shells of a job, watches them, and reports how it went."""
