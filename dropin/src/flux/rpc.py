# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.rpc: an RPC is sent by constructing it."""

from flux._elsewhere import elsewhere
from rosin.handle.rpc import RPC

__all__ = ["RPC"]

__getattr__ = elsewhere(__name__)
