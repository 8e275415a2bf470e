# SPDX-License-Identifier: LGPL-3.0-or-later
"""Files into RFC 37 archives and out of them; the format itself is :mod:`rosin.rfc.archive`."""

from rosin.archive.create import create
from rosin.archive.extract import extract

__all__ = ["create", "extract"]
