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

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.kvs.checkpoint import kvs_checkpoint_lookup
    from rosin.kvs.directory import KVSDir, get, get_dir, join, walk
    from rosin.kvs.lookup import PRIMARY, exists, get_key_direct, isdir, lookup_async
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
    "PRIMARY",
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

#: The module of each public name, imported when the name is first used: a command uses one of them.
_WHERE = {
    "kvs_checkpoint_lookup": "checkpoint",
    "KVSDir": "directory",
    "get": "directory",
    "get_dir": "directory",
    "join": "directory",
    "walk": "directory",
    "PRIMARY": "lookup",
    "exists": "lookup",
    "get_key_direct": "lookup",
    "isdir": "lookup",
    "lookup_async": "lookup",
    "getroot_async": "namespace",
    "namespace_create": "namespace",
    "namespace_create_async": "namespace",
    "namespace_list": "namespace",
    "namespace_remove": "namespace",
    "namespace_remove_async": "namespace",
    "wait_version_async": "namespace",
    "KVSTxn": "txn",
    "commit": "txn",
    "commit_async": "txn",
    "put": "txn",
    "put_mkdir": "txn",
    "put_symlink": "txn",
    "put_unlink": "txn",
    "KVSWatchFuture": "watch",
    "WatchImplementation": "watch",
    "kvs_watch_async": "watch",
}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
