# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.future."""

from rosin.handle.future import Future, WaitAllFuture

__all__ = ["Future", "WaitAllFuture"]
