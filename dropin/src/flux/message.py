# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.message."""

from rosin.handle.watchers import MessageWatcher
from rosin.rfc.message import Message

__all__ = ["Message", "MessageWatcher"]
