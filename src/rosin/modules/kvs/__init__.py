# SPDX-License-Identifier: LGPL-3.0-or-later
"""The key-value store: a hash tree of directories over the content service (RFC 11)."""
