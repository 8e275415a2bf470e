# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri."""

from rosin.job.uri import JobURI

__all__ = ["JobURI"]
