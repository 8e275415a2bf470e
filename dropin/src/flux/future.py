# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.future."""

from flux._elsewhere import elsewhere
from rosin.handle.future import Future, WaitAllFuture
from rosin.handle.future_ext import FutureExt

__all__ = ["Future", "FutureExt", "WaitAllFuture"]

__getattr__ = elsewhere(__name__)
