# SPDX-License-Identifier: LGPL-3.0-or-later
"""The key-value store of an instance (flux.kvs): values by dotted keys, in namespaces.

    import rosin, rosin.kvs
    h = rosin.Flux()
    rosin.kvs.put(h, "a.b", {"x": 1})
    rosin.kvs.commit(h)
    rosin.kvs.get(h, "a.b")

The functions have flux-core's names and meanings. Without *namespace* they use the one in the environment
variable FLUX_KVS_NAMESPACE, else ``primary``. Functions ending in ``_async`` and those of the modules
``lookup`` and ``namespace`` that return an RPC serve every kind of handle.
"""

from __future__ import annotations

from rosin.kvs.checkpoint import kvs_checkpoint_lookup
from rosin.kvs.directory import KVSDir, get, get_dir, join, walk
from rosin.kvs.lookup import exists, get_key_direct, isdir, lookup_async
from rosin.kvs.namespace import (
    getroot_async,
    namespace_create,
    namespace_create_async,
    namespace_list,
    namespace_remove,
    namespace_remove_async,
    wait_version_async,
)
from rosin.kvs.txn import (
    KVSTxn,
    commit,
    commit_async,
    put,
    put_mkdir,
    put_symlink,
    put_unlink,
)
from rosin.kvs.watch import KVSWatchFuture, WatchImplementation, kvs_watch_async

__all__ = [
    "KVSDir",
    "KVSTxn",
    "KVSWatchFuture",
    "WatchImplementation",
    "commit",
    "commit_async",
    "exists",
    "get",
    "get_dir",
    "get_key_direct",
    "getroot_async",
    "isdir",
    "join",
    "kvs_checkpoint_lookup",
    "kvs_watch_async",
    "lookup_async",
    "namespace_create",
    "namespace_create_async",
    "namespace_list",
    "namespace_remove",
    "namespace_remove_async",
    "put",
    "put_mkdir",
    "put_symlink",
    "put_unlink",
    "wait_version_async",
    "walk",
]
