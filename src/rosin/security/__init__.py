# SPDX-License-Identifier: LGPL-3.0-or-later
"""Signing and verifying with daemons and keys (RFC 39); the formats are in :mod:`rosin.rfc.sign`."""
