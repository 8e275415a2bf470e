# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13 as the shell serves it: one server per shell, each task a client with its rank.

The protocol is that of :mod:`rosin.rfc.pmi_server`, with nothing added: spawning and publishing are
refused, as flux-core's shell refuses them.
"""

from __future__ import annotations

from rosin.errors import FormatError as PmiError
from rosin.rfc.pmi import VALUE_MAX, parse
from rosin.rfc.pmi_server import Abort as PmiAbort
from rosin.rfc.pmi_server import Server as PmiServer

Replies = list[tuple[int, str]]

__all__ = ["VALUE_MAX", "PmiAbort", "PmiError", "PmiServer", "Replies", "parse"]
