# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.utils: what flux-core carries with it for old versions of Python."""
