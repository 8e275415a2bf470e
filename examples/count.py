# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client of the module counter.py; see there."""

from rosin.constants import FLUX_RPC_STREAMING
from rosin.handle import Flux

with Flux() as h, Flux() as other:
    watch = h.rpc("counter.watch", {}, flags=FLUX_RPC_STREAMING)
    for by in (1, 10, 100):
        print(watch.get()["count"])
        watch.reset()
        other.rpc("counter.add", {"by": by}).get()
    print(watch.get()["count"])
    watch.cancel()
