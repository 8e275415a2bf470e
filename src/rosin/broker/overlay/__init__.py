# SPDX-License-Identifier: LGPL-3.0-or-later
"""The brokers of an instance as a tree (RFC 3): who is above and below, and what carries messages."""
