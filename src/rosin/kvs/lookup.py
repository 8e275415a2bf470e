# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading single keys."""

from __future__ import annotations

import errno
import os

from rosin import _json
from rosin.constants import (
    FLUX_KVS_STREAM,
    FLUX_KVS_TREEOBJ,
    FLUX_KVS_WAITCREATE,
    FLUX_KVS_WATCH,
    FLUX_RPC_STREAMING,
)
from rosin.handle.checks import check_text
from rosin.rfc import treeobj

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC

#: The namespace that always exists (RFC 16).
PRIMARY = "primary"
_WATCHING = FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE | FLUX_KVS_STREAM


def default_namespace(namespace: str | None) -> str:
    """*namespace*, else the environment's FLUX_KVS_NAMESPACE, else ``primary``.

    One without a name is none that exists: what a script names by an unset variable is not the primary one.
    """
    return os.environ.get("FLUX_KVS_NAMESPACE", PRIMARY) if namespace is None else namespace


def checked_key(key: object) -> str:
    """*key*, which has a name. Raises OSError EINVAL, TypeError."""
    text: str = check_text(key, "KVS key")
    if not text:
        raise OSError(errno.EINVAL, "Invalid argument: a KVS key must not be empty")
    return text


def lookup_async(
    flux_handle: Handle, key: str, namespace: str | None = None, flags: int = 0, at: str | None = None
) -> RPC:
    """Look *key* up; the response is ``{"val": treeobj}`` (:func:`decode_value` gives what it holds).

    *flags*: FLUX_KVS_READDIR, READLINK, TREEOBJ; with WATCH, STREAM or WAITCREATE the response comes from
    kvs-watch, repeatedly for the first two. *at*: a JSON ``dirref`` text to read a snapshot.
    """
    key = checked_key(key)
    if flags & _WATCHING:
        args = {"key": key, "namespace": default_namespace(namespace), "flags": flags}
        streaming = FLUX_RPC_STREAMING if flags & (FLUX_KVS_WATCH | FLUX_KVS_STREAM) else 0
        return flux_handle.rpc("kvs-watch.lookup", args, flags=streaming)
    if at is not None:
        return flux_handle.rpc("kvs.lookup", {"key": key, "flags": flags, "rootdir": _json.loads(at)})
    return flux_handle.rpc(
        "kvs.lookup", {"key": key, "namespace": default_namespace(namespace), "flags": flags}
    )


def decode_value(response: Any) -> Any:
    """The value in a lookup response: JSON decoded, else text, else bytes; None for an empty value."""
    data = treeobj.val_data(response["val"])
    if not data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    try:
        return _json.loads(text)
    except ValueError:
        return text


def get_key_direct(flux_handle: Handle, key: str, namespace: str | None = None) -> Any:
    """The value of *key*. OSError: ENOENT no such key, EISDIR a directory, ENOTSUP no such namespace."""
    return decode_value(lookup_async(flux_handle, key, namespace).get())


def exists(flux_handle: Handle, key: str, namespace: str | None = None) -> bool:
    """Whether *key* exists, as a value or a directory."""
    try:
        lookup_async(flux_handle, key, namespace).get()
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        if error.errno != errno.EISDIR:
            raise
    return True


def isdir(flux_handle: Handle, key: str, namespace: str | None = None) -> bool:
    """Whether *key* is a directory."""
    try:
        lookup_async(flux_handle, key, namespace).get()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EISDIR):
            raise
        return error.errno == errno.EISDIR
    return False


def lookup_treeobj(flux_handle: Handle, key: str, namespace: str | None = None) -> Any:
    """The tree object stored at *key* (RFC 11)."""
    return lookup_async(flux_handle, key, namespace, FLUX_KVS_TREEOBJ).get()["val"]
