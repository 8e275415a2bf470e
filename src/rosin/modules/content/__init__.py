# SPDX-License-Identifier: LGPL-3.0-or-later
"""The content service: the instance's store of blobs addressed by their hash (RFC 10)."""
