# SPDX-License-Identifier: LGPL-3.0-or-later
"""The key-value store: transactions, directories, and a watch that sees every value.

rosin start python examples/kvs.py
"""

from rosin import kvs
from rosin.handle import Flux

with Flux() as h, Flux() as other:
    # A transaction becomes visible as a whole.
    with kvs.KVSTxn(h) as txn:
        txn.put("example.colour", "amber")
        txn.put("example.count", 1)
        txn.mkdir("example.empty")

    print({key: kvs.get(h, f"example.{key}") for key in ("colour", "count")})
    print("directories", list(kvs.get_dir(h, "example").directories()))

    watch = kvs.kvs_watch_async(h, "example.count")
    for value in (2, 3):
        print("count is", watch.get())
        watch.reset()
        kvs.put(other, "example.count", value)
        kvs.commit(other)
    print("count is", watch.get())
    watch.cancel()
