# SPDX-License-Identifier: LGPL-3.0-or-later
"""Job submission: check a signed request, give it an id, store it, announce it (RFC 14, 16, 19, 25, 39)."""
