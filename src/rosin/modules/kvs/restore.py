# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the KVS begins with: the newest checkpoint, and the journal of what was committed after it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.modules.kvs import journal
from rosin.modules.kvs.directory import Directory
from rosin.modules.kvs.objects import Missing
from rosin.modules.kvs.transaction import apply

if TYPE_CHECKING:
    from rosin.broker.module import BrokerModule
    from rosin.modules.kvs.loading import Loader
    from rosin.modules.kvs.namespace import Namespace
    from rosin.modules.kvs.storage import Storage


class Restore:
    """Reads the content store once, when the module starts."""

    def __init__(self, module: BrokerModule, storage: Storage, loader: Loader) -> None:
        self._module = module
        self._storage = storage
        self._loader = loader
        self._objects = storage.objects

    async def newest(self, namespace: Namespace) -> None:
        """Take the newest checkpoint and replay the journal. Raises OSError when that is impossible."""
        try:
            value = (await self._module.h.rpc("content.checkpoint-get"))["value"]
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOENT):
                raise
            value = []
        checkpoints = value if isinstance(value, list) else [value]
        base = ""
        if checkpoints:
            await self._open(namespace, checkpoints[0])
            base = checkpoints[0].get("journal_base", "")
        try:
            await self._replay(namespace, base)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise

    async def _open(self, namespace: Namespace, checkpoint: dict[str, Any]) -> None:
        try:
            namespace.root = checkpoint["rootref"]
            namespace.seq = int(checkpoint.get("sequence", 0))
            await self.open(namespace)
        except (KeyError, TypeError, FormatError) as error:
            raise OSError(errno.EIO, f"kvs: the newest checkpoint is unreadable: {error}") from None
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO,
                f"kvs: cannot load root {namespace.root} of the newest checkpoint: {error.strerror}; "
                "restore a dump or move the content store away",
            ) from None
        self._module.log.info(f"restored KVS from checkpoint, sequence {namespace.seq}")

    async def open(self, namespace: Namespace) -> None:
        """See to it that the root of a namespace can be read. Raises OSError."""
        try:
            self._objects.directory(namespace.root)
        except Missing as missing:
            await self._loader.load(missing)

    async def _replay(self, namespace: Namespace, base_before: str) -> None:
        """*base_before*: the root that the journal goes on from, if the checkpoint is that root repaired."""
        count = 0
        while True:
            payload = await self._module.h.rpc("content.journal-get", {"after": namespace.seq}).raw()
            if not payload:
                break
            for sequence, base, record in journal.split(payload):
                if not count and base not in (namespace.root, base_before):
                    self._module.log.warning("the KVS journal does not continue the checkpoint: ignored")
                    await self._module.h.rpc("content.journal-clear")
                    return
                await self._replay_record(namespace, journal.decode(record))
                namespace.seq = sequence
                count += 1
        if count:
            self._module.log.info(f"replayed {count} KVS transactions after an unclean shutdown")
            await self._storage.checkpoint(namespace.root, namespace.seq)

    async def _replay_record(self, namespace: Namespace, ops: list[dict[str, Any]]) -> None:
        held: dict[str, Directory | bytes] = {}
        while True:
            self._objects.held = held
            try:
                root = self._objects.directory(namespace.root)
                namespace.root = apply(root, ops, self._objects, namespace.name).ref
                return
            except Missing as missing:
                more = missing
            finally:
                self._objects.held = {}
            held.update(await self._loader.load(more))
