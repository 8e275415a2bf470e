# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[fake-resources]``: nodes that do not exist, to try tools on (flux-config-fake-resources(5)).

Their R is put where that of an earlier run would be, so that the resource module takes it for its inventory.
Jobs are mocked (``--setattr=system.exec.test.run_duration=1s``); others would all run on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin import _json
from rosin.broker.settings import Table
from rosin.errors import FormatError
from rosin.kvs import PRIMARY, KVSTxn
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.broker.module_handle import ModuleHandle
    from rosin.broker.settings import Config

#: Argument of the resource module on every rank: nobody is there to say what a node really has.
NOVERIFY = "noverify"
#: Arguments on rank 0: nor that one is up. There may be more nodes than brokers.
ARGUMENTS = ("monitor-force-up", NOVERIFY)
_NAME = "fake-resources"
_MAX_NODES = 65_536
_MAX_CORES = 4_096


class FakeResources(NamedTuple):
    """Settings of the table: how many nodes, what each has, and their names without the number."""

    nnodes: int
    cores_per_node: int
    gpus_per_node: int
    host_prefix: str

    @classmethod
    def parse(cls, config: Config) -> FakeResources | None:
        """Read the table, None where there is none. Raises FormatError that names the key."""
        if _NAME not in config:
            return None
        table = Table(config, _NAME)
        if "nnodes" not in table.values:
            raise FormatError(f"[{_NAME}] table requires the 'nnodes' key")
        for key in ("hwloc-xml-path", "amend-r"):
            if key in table.values:
                raise FormatError(f"{_NAME}.{key}: not in this version; remove it")
        prefix = table.get("host-prefix", str, "fake")
        try:
            if len(Hostlist(f"{prefix}0")) != 1:
                raise FormatError("expected the beginning of one host name")
        except FormatError as exc:
            raise FormatError(f"{_NAME}.host-prefix: {exc}") from None
        return cls(
            table.integer("nnodes", 0, 1, _MAX_NODES),
            table.integer("cores-per-node", 64, 1, _MAX_CORES),
            table.integer("gpus-per-node", 0, 0, _MAX_CORES),
            prefix,
        )

    def encode(self) -> ResourceSet:
        """The resource set that the table describes."""
        rset = ResourceSet()
        cores, gpus = (1 << self.cores_per_node) - 1, (1 << self.gpus_per_node) - 1
        for rank in range(self.nnodes):
            rset.add_rank(rank, f"{self.host_prefix}{rank}", cores, gpus)
        return rset


async def install(h: ModuleHandle, fake: FakeResources) -> None:
    """Store R. Raises OSError."""
    txn = KVSTxn(h, namespace=PRIMARY)
    txn.put("resource.R", _json.dumps(fake.encode().encode()), raw=True)
    await txn.commit_async()
