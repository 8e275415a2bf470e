# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[fake-resources]``: nodes that do not exist, to try tools on (flux-config-fake-resources(5)).

Their R is put where that of an earlier run would be, so that the resource module takes it for its inventory.
Jobs are mocked (``--setattr=system.exec.test.run_duration=1s``); others would all run on this machine.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin import _json
from rosin.broker.loader import find_function, one_line
from rosin.broker.settings import Table
from rosin.errors import FormatError
from rosin.kvs import PRIMARY, KVSTxn
from rosin.resource import hwloc
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.rset import ResourceSet

if TYPE_CHECKING:
    from rosin.broker.module_handle import ModuleHandle
    from rosin.broker.settings import Config
    from rosin.handle.handle import Handle

#: Argument of the resource module on every rank: nobody is there to say what a node really has.
NOVERIFY = "noverify"
#: Arguments on rank 0: nor that one is up. There may be more nodes than brokers.
ARGUMENTS = ("monitor-force-up", NOVERIFY)
_NAME = "fake-resources"
_MAX_NODES = 65_536
_MAX_CORES = 4_096


class FakeResources(NamedTuple):
    """Settings of the table: how many nodes, what each has, and their names without the number.

    ``hwloc_xml`` is the text of the file that describes each of them, ``amend`` names what changes R.
    """

    nnodes: int
    cores_per_node: int
    gpus_per_node: int
    host_prefix: str
    hwloc_xml: str | None
    amend: str | None

    @classmethod
    def parse(cls, config: Config) -> FakeResources | None:
        """Read the table, None where there is none. Raises FormatError that names the key."""
        if _NAME not in config:
            return None
        table = Table(config, _NAME)
        if "nnodes" not in table.values:
            raise FormatError(f"[{_NAME}] table requires the 'nnodes' key")
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
            _text_of(table.get("hwloc-xml-path", str)),
            table.get("amend-r", str),
        )

    def encode(self) -> ResourceSet:
        """The resource set that the table describes. Raises FormatError for what is no XML of hwloc."""
        rset = ResourceSet()
        cores, gpus = (1 << self.cores_per_node) - 1, (1 << self.gpus_per_node) - 1
        if self.hwloc_xml is not None:
            try:
                node = ResourceSet.decode(hwloc.decode(self.hwloc_xml, 0))
            except FormatError as exc:
                raise FormatError(f"{_NAME}.hwloc-xml-path: {exc}") from None
            cores, gpus = node.core_mask(0), node.gpu_mask(0)
        for rank in range(self.nnodes):
            rset.add_rank(rank, f"{self.host_prefix}{rank}", cores, gpus)
        return rset

    def R(self) -> Any:
        """R, as it is stored. Raises OSError, and FormatError for one that is not."""
        R = self.encode().encode()
        if self.amend is None:
            return R
        place = f"{_NAME}.amend-r: "
        try:
            function = find_function(self.amend, "amend")
        except OSError as exc:
            raise OSError(exc.errno, f"{place}{exc.strerror}") from None
        try:
            R = function(R, hwloc_xml=self.hwloc_xml)
        except Exception as exc:  # somebody else's code
            raise OSError(errno.EINVAL, f"{place}{self.amend}: {one_line(exc)}") from None
        try:
            ResourceSet.decode(R)
        except FormatError as exc:
            raise FormatError(f"{place}{self.amend}: {exc}") from None
        return R


def _text_of(path: str | None) -> str | None:
    try:
        return None if path is None else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        text = getattr(exc, "strerror", None) or "not UTF-8"
        raise FormatError(f"{_NAME}.hwloc-xml-path: {path}: {text}") from None


async def install(h: ModuleHandle, fake: FakeResources) -> None:
    """Store R. Raises OSError, FormatError."""
    await storing(h, fake).commit_async()


def storing(h: Handle, fake: FakeResources) -> KVSTxn:
    """The transaction that stores R. Raises OSError, FormatError."""
    txn = KVSTxn(h, namespace=PRIMARY)
    txn.put("resource.R", _json.dumps(fake.R()), raw=True)
    return txn
