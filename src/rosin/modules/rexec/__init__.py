# SPDX-License-Identifier: LGPL-3.0-or-later
"""The subprocess server (RFC 42): run, feed, signal and observe processes through the broker."""
