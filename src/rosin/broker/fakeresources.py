# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[fake-resources]``: nodes that do not exist, to try tools on (flux-config-fake-resources(5)).

Their R is put where that of an earlier run would be, so that the resource module takes it for its inventory.
Jobs are mocked (``--setattr=system.exec.test.run_duration=1s``); others would all run on this machine.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.kvs import PRIMARY, KVSTxn
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.payload import int_field
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.broker.module_handle import ModuleHandle

#: Arguments of the resource module: nobody is there to say that a node is up, or what it really has.
ARGUMENTS = ("monitor-force-up", "noverify")
_MAX_NODES = 65_536
_MAX_CORES = 4_096


def encode(table: dict[str, Any]) -> ResourceSet:
    """The resource set that the table describes. Raises FormatError that names the key."""
    if "nnodes" not in table:
        raise FormatError("[fake-resources] table requires the 'nnodes' key")
    for key in ("hwloc-xml-path", "amend-r"):
        if key in table:
            raise FormatError(f"fake-resources.{key}: not in this version; remove it")
    nnodes = _number(table, "nnodes", 1, _MAX_NODES)
    cores = _number(table, "cores-per-node", 1, _MAX_CORES, 64)
    gpus = _number(table, "gpus-per-node", 0, _MAX_CORES, 0)
    prefix = table.get("host-prefix", "fake")
    rset = ResourceSet()
    try:
        if len(Hostlist(f"{prefix}0")) != 1:
            raise FormatError("expected the beginning of one host name")
        for rank in range(nnodes):
            rset.add_rank(rank, f"{prefix}{rank}", (1 << cores) - 1, (1 << gpus) - 1)
    except FormatError as exc:
        raise FormatError(f"fake-resources.host-prefix: {exc}") from None
    return rset


def _number(table: dict[str, Any], key: str, low: int, high: int, default: int | None = None) -> int:
    try:
        value = int_field(table, key, low, high, *([] if default is None else [default]))
    except FormatError:
        raise FormatError(f"fake-resources.{key}: expected a number from {low} to {high}") from None
    return int(value)


async def install(h: ModuleHandle, table: dict[str, Any]) -> None:
    """Store R. Raises OSError: EINVAL for a table that is wrong."""
    try:
        R = encode(table).encode()
    except FormatError as exc:
        raise OSError(errno.EINVAL, str(exc)) from None
    txn = KVSTxn(h, namespace=PRIMARY)
    txn.put("resource.R", _json.dumps(R), raw=True)
    await txn.commit_async()
