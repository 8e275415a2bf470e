# SPDX-License-Identifier: LGPL-3.0-or-later
"""Writing: transactions of puts, directories, links and removals."""

from __future__ import annotations

from rosin.constants import FLUX_KVS_APPEND
from rosin.kvs.lookup import checked_key, default_namespace
from rosin.rfc import treeobj

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from rosin.handle.handle import Handle
    from rosin.handle.rpc import RPC

    Op = dict[str, Any]


class KVSTxn:
    """Changes gathered for one commit; as a context manager it commits at the end.

    Keys are relative to *path*.
    """

    def __init__(
        self, flux_handle: Handle | None = None, path: str = ".", namespace: str | None = None
    ) -> None:
        self.fhdl = flux_handle
        self.path = path
        self._path = "" if not path or path == "." else path if path[-1] == "." else path + "."
        self.namespace = namespace
        self.ops: list[Op] = []

    def _add(self, key: str, dirent: Any, flags: int = 0) -> None:
        self.ops.append({"key": self._path + _checked(key), "flags": flags, "dirent": dirent})

    def put(self, key: str, value: Any, raw: bool = False) -> None:
        """Set *key*. Bytes, and everything with *raw*, are stored as they are, the rest as JSON text."""
        self._add(key, treeobj.val(_encode(value, raw)))

    def append(self, key: str, data: bytes | str) -> None:
        """Append *data* as it is to the value of *key*, which may not exist yet."""
        self._add(key, treeobj.val(data if isinstance(data, bytes) else data.encode()), FLUX_KVS_APPEND)

    def put_treeobj(self, key: str, obj: Any) -> None:
        """Set *key* to a tree object (RFC 11)."""
        self._add(key, obj)

    def mkdir(self, key: str) -> None:
        """Make *key* an empty directory."""
        self._add(key, treeobj.dirobj())

    def unlink(self, key: str) -> None:
        """Remove *key*, be it a directory or not there at all."""
        self._add(key, None)

    def symlink(self, key: str, target: str, namespace: str | None = None) -> None:
        """Make *key* a symbolic link to the key *target*."""
        self._add(key, treeobj.symlink(target, namespace))

    def clear(self) -> None:
        """Forget all changes."""
        self.ops = []

    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not self.ops

    def commit(self, flags: int = 0) -> None:
        """Commit and wait. The changes are forgotten whether that succeeds or not. Raises OSError."""
        if self.ops:
            self.commit_async(flags).get()

    def commit_async(self, flags: int = 0) -> RPC:
        """Send the commit; the response is ``{"rootref", "rootseq"}``."""
        if self.fhdl is None:
            raise ValueError("KVSTxn: a Flux handle is needed to commit")
        ops, self.ops = self.ops, []
        return _commit(self.fhdl, ops, flags, self.namespace)

    def __enter__(self) -> KVSTxn:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.commit()


def _encode(value: Any, raw: bool) -> bytes:
    if raw:
        return value if isinstance(value, bytes) else str(value).encode()
    import json

    try:
        return json.dumps(value).encode()  # flux-core's spacing, so that blobrefs agree
    except TypeError:
        if isinstance(value, bytes):
            return value
        raise


def _checked(key: object) -> str:
    """A key that can be written, before it spoils the transaction that it is part of."""
    return key if key.__class__ is str and key else checked_key(key)


def _commit(flux_handle: Handle, ops: list[Op], flags: int, namespace: str | None) -> RPC:
    args = {"namespace": default_namespace(namespace), "flags": flags, "ops": ops}
    return flux_handle.rpc("kvs.commit", args)


def _transaction(flux_handle: Handle, txn: KVSTxn | None) -> KVSTxn:
    """*txn*, else the transaction that belongs to the handle."""
    if txn is not None:
        return txn
    found = vars(flux_handle).setdefault("aux_txn", None)
    if found is None:
        found = vars(flux_handle)["aux_txn"] = KVSTxn()
    return found


def put(flux_handle: Handle, key: str, value: Any, _kvstxn: KVSTxn | None = None, raw: bool = False) -> None:
    """Stage setting *key*; :func:`commit` makes it so (see :meth:`KVSTxn.put`)."""
    _stage(flux_handle, _kvstxn, key, treeobj.val(_encode(value, raw)))


def put_mkdir(flux_handle: Handle, key: str, _kvstxn: KVSTxn | None = None) -> None:
    """Stage making *key* an empty directory."""
    _stage(flux_handle, _kvstxn, key, treeobj.dirobj())


def put_unlink(flux_handle: Handle, key: str, _kvstxn: KVSTxn | None = None) -> None:
    """Stage removing *key*."""
    _stage(flux_handle, _kvstxn, key, None)


def put_symlink(flux_handle: Handle, key: str, target: str, _kvstxn: KVSTxn | None = None) -> None:
    """Stage making *key* a symbolic link to *target*."""
    _stage(flux_handle, _kvstxn, key, treeobj.symlink(target))


def _stage(flux_handle: Handle, txn: KVSTxn | None, key: str, dirent: Any) -> None:
    # Keys are absolute here, as upstream, also in a transaction that has a path.
    _transaction(flux_handle, txn).ops.append({"key": _checked(key), "flags": 0, "dirent": dirent})


def commit(
    flux_handle: Handle, flags: int = 0, namespace: str | None = None, _kvstxn: KVSTxn | None = None
) -> None:
    """Commit what was staged and wait. *flags*: FLUX_KVS_NO_MERGE, TXN_COMPACT, SYNC. Raises OSError."""
    if _kvstxn is None and vars(flux_handle).get("aux_txn") is None:
        return
    commit_async(flux_handle, flags, namespace, _kvstxn).get()


def commit_async(
    flux_handle: Handle, flags: int = 0, namespace: str | None = None, _kvstxn: KVSTxn | None = None
) -> RPC:
    """Send the commit of what was staged; the response is ``{"rootref", "rootseq"}``."""
    txn = _transaction(flux_handle, _kvstxn)
    if _kvstxn is None:
        vars(flux_handle)["aux_txn"] = None
    return _commit(flux_handle, txn.ops, flags, namespace)
