# SPDX-License-Identifier: LGPL-3.0-or-later
"""Changing resources: each function sends a request to the resource service of rank 0 and returns its RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset


def drain(
    handle: Handle, targets: str | Idset | Hostlist, reason: str | None = None, mode: str | None = None
) -> RPC:
    """Take ranks (an idset or a hostlist) out of use.

    ``mode``: None fails with EEXIST when one is drained already, ``update`` leaves reasons that exist,
    ``overwrite`` replaces them, ``force-overwrite`` the time stamps too.
    """
    return _drain(handle, "resource.drain", targets, reason, mode)


def undrain(
    handle: Handle, targets: str | Idset | Hostlist, reason: str | None = None, mode: str | None = None
) -> RPC:
    """Take drained ranks into use; without a ``mode`` it fails with EEXIST when one is not drained."""
    return _drain(handle, "resource.undrain", targets, reason, mode)


def _drain(
    handle: Handle, topic: str, targets: str | Idset | Hostlist, reason: str | None, mode: str | None
) -> RPC:
    return handle.rpc(topic, drain_payload(targets, reason, mode), nodeid=0)


def drain_payload(
    targets: str | Idset | Hostlist, reason: str | None = None, mode: str | None = None
) -> dict[str, str]:
    """The payload of ``resource.drain`` and ``resource.undrain``, for who has no handle to send it with."""
    payload = {"targets": str(targets)}
    if reason is not None:
        payload["reason"] = reason
    if mode is not None:
        payload["mode"] = mode
    return payload


def reload(handle: Handle, path: str, *, xml: bool = False, force: bool = False) -> RPC:
    """Replace the inventory by a file of R, or with ``xml`` by a directory of ``<rank>.xml`` (for tests).

    ``force`` allows more ranks than there are brokers. The broker reads ``path``.
    """
    payload: dict[str, Any] = {"path": path, "xml": xml, "force": force}
    return handle.rpc("resource.reload", payload, nodeid=0)


def expiration_update(handle: Handle, expiration: float) -> RPC:
    """Set when the instance's resources go away, in seconds since the epoch; 0.0 for never."""
    return handle.rpc("resource.expiration-update", {"expiration": float(expiration)}, nodeid=0)
