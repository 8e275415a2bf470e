# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.kvs."""

from flux._elsewhere import elsewhere
from rosin.kvs import (
    KVSDir,
    KVSTxn,
    KVSWatchFuture,
    WatchImplementation,
    commit,
    commit_async,
    exists,
    get,
    get_dir,
    get_key_direct,
    isdir,
    join,
    kvs_checkpoint_lookup,
    kvs_watch_async,
    namespace_create,
    namespace_list,
    namespace_remove,
    put,
    put_mkdir,
    put_symlink,
    put_unlink,
    walk,
)

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
    "isdir",
    "join",
    "kvs_checkpoint_lookup",
    "kvs_watch_async",
    "namespace_create",
    "namespace_list",
    "namespace_remove",
    "put",
    "put_mkdir",
    "put_symlink",
    "put_unlink",
    "walk",
]

__getattr__ = elsewhere(__name__)
