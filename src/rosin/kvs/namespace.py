# SPDX-License-Identifier: LGPL-3.0-or-later
"""Namespaces and their roots."""

from __future__ import annotations

import os

from rosin.constants import FLUX_NODEID_ANY
from rosin.kvs.lookup import default_namespace
from rosin.rfc import blobref, treeobj

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC


def empty_root(algo: str) -> str:
    """The root reference of a namespace with nothing in it; *algo* is the instance's ``content.hash``."""
    return blobref.blobref(treeobj.encode(treeobj.dirobj({})), algo)


def namespace_create_async(
    flux_handle: Handle,
    namespace: str,
    owner: int | None = None,
    flags: int = 0,
    rootref: str | None = None,
    algo: str = "sha1",
    kept: bool = False,
) -> RPC:
    """Create *namespace* for the user *owner* (default: the caller), empty or with the root *rootref*.

    *algo* is the instance's ``content.hash``. *kept*: its content outlives a broker that is killed
    (:mod:`rosin.internal.kept_namespace`; flux-core's brokers keep none). Owner of the instance only. EEXIST:
    it exists.
    """
    args: dict[str, object] = {
        "namespace": namespace,
        "rootref": rootref or empty_root(algo),
        "owner": os.getuid() if owner is None else owner,
        "flags": flags,
    }
    if kept:
        args["kept"] = True
    return flux_handle.rpc("kvs.namespace-create", args, nodeid=0)


def namespace_create(flux_handle: Handle, namespace: str, owner: int | None = None, flags: int = 0) -> None:
    """Create *namespace* and wait (see :func:`namespace_create_async`). Raises OSError."""
    algo = flux_handle.attr_get("content.hash")
    namespace_create_async(flux_handle, namespace, owner, flags, algo=algo).get()


def namespace_remove_async(flux_handle: Handle, namespace: str) -> RPC:
    """Remove *namespace*; one that does not exist is removed with success."""
    return flux_handle.rpc("kvs.namespace-remove", {"namespace": namespace}, nodeid=0)


def namespace_remove(flux_handle: Handle, namespace: str) -> None:
    """Remove *namespace* and wait. Raises OSError ENOTSUP for the primary namespace."""
    namespace_remove_async(flux_handle, namespace).get()


def namespace_list_async(flux_handle: Handle) -> RPC:
    """All namespaces: ``{"namespaces": [{"namespace", "owner", "flags"}]}``."""
    return flux_handle.rpc("kvs.namespace-list")


def namespace_list(flux_handle: Handle) -> list[str]:
    """The names of all namespaces."""
    return [entry["namespace"] for entry in namespace_list_async(flux_handle).get()["namespaces"]]


def getroot_async(flux_handle: Handle, namespace: str | None = None, nodeid: int = FLUX_NODEID_ANY) -> RPC:
    """The root, as rank *nodeid* knows it: ``{"owner", "rootseq", "rootref", "flags", "namespace"}``."""
    return flux_handle.rpc("kvs.getroot", {"namespace": default_namespace(namespace)}, nodeid)


def wait_version_async(
    flux_handle: Handle, version: int, namespace: str | None = None, nodeid: int = FLUX_NODEID_ANY
) -> RPC:
    """Fulfilled with ``{"rootseq", "rootref"}`` when rank *nodeid* knows a root with the number *version*."""
    args = {"rootseq": version, "namespace": default_namespace(namespace)}
    return flux_handle.rpc("kvs.wait-version", args, nodeid)
