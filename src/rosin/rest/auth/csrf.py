# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where pages put their session's secret against forged requests: a header, or a field of a form."""

HEADER = "x-csrf-token"
FIELD = "csrf"
