# SPDX-License-Identifier: LGPL-3.0-or-later
"""The backing store of the content service in files (``content.backing-module=content-files``).

It serves ``content-backing`` as content-sqlite does, but for garbage collection, and keeps one checkpoint, as
flux-core's does. What was stored survives a killed broker; after a power cut the last checkpoint is whole, as
it is not written before the blobs that it refers to are on the disk.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

from rosin.broker.module import BrokerModule, request_handler
from rosin.errors import FormatError
from rosin.internal import checkpoint
from rosin.internal.backing_commit import decode
from rosin.modules.content_files.directory import StoreDirectory
from rosin.modules.content_files.settings import ARGUMENTS, FilesSettings
from rosin.rfc import blobref
from rosin.rfc.payload import field, int_field

if TYPE_CHECKING:
    from rosin.rfc.message import Message

#: Journal records in one answer, and the largest sequence number.
JOURNAL_RECORDS = 1000
MAX_SEQUENCE = (1 << 63) - 1


class ContentFiles(BrokerModule):
    """Blobs, the checkpoint and the KVS journal in the directory ``content.files`` below ``statedir``."""

    name = "content-files"
    arguments = ARGUMENTS
    services = ("content-backing",)

    async def start(self) -> None:
        statedir = self.attrs.get("statedir") or self.attrs.get("rundir")
        if statedir is None:
            raise OSError(errno.ENOENT, "content-files: the broker attribute statedir is not set")
        temporary = "statedir" not in self.attrs or self.attrs.get("statedir-cleanup", "0") == "1"
        path = os.path.join(statedir, "content.files")
        settings = FilesSettings.parse(self.config, self.arg_values)
        if settings.truncate:
            StoreDirectory.remove(path)
        self.files = StoreDirectory(path, self.attrs.get("content.hash", "sha1"), temporary)
        self._registered = not settings.testing
        self._failing = False
        if self._registered:
            try:
                await self.h.rpc("content.register-backing", {"name": self.name})
            except OSError:
                self.files.close()
                raise

    async def stop(self) -> None:
        if self._registered:
            try:
                await self.h.rpc("content.unregister-backing")
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.EINVAL):
                    self.log.error(f"cannot unregister: {error.strerror}")
        self.files.close()

    def _digest(self, raw: bytes) -> bytes:
        size = blobref.DIGEST_SIZE[self.files.algo]
        if len(raw) != size:
            raise FormatError(f"content-backing: expected a digest of {size} bytes, got {len(raw)}")
        return raw

    def _failed(self, error: OSError) -> OSError:
        """Log the first failure of a series: a full disk must not fill the log as well."""
        if not self._failing:
            self.log.error(f"{error.strerror}: nothing more is stored until this is solved")
        self._failing = True
        return error

    # -- blobs ---------------------------------------------------------------------------------------

    @request_handler("content-backing.load", prefix=False)
    def load(self, msg: Message) -> bytes:
        return self.files.load(self._digest(msg.raw))

    @request_handler("content-backing.store", prefix=False)
    def store(self, msg: Message) -> bytes:
        digest = blobref.digest(msg.raw, self.files.algo)
        try:
            self.files.store(digest, msg.raw)
        except OSError as error:
            raise self._failed(error) from None
        self._failing = False
        return digest

    @request_handler("content-backing.validate", prefix=False)
    def validate(self, msg: Message) -> None:
        if not self.files.contains(self._digest(msg.raw)):
            raise OSError(errno.ENOENT, "No such file or directory: unknown blob")

    @request_handler("content-backing.commit", prefix=False)
    async def commit(self, msg: Message) -> None:
        """Store a batch: blobs before what refers to them, so that a part of it does no harm."""
        batch = decode(msg.raw)
        try:
            for digest, blob in batch.items():
                self.files.store(digest, blob)
            if batch.journal is not None:
                self.files.journal.append(*batch.journal, batch.digests)
        except OSError as error:
            raise self._failed(error) from None
        self._failing = False
        if batch.checkpoint is not None:
            await self._put_checkpoint(batch.checkpoint)

    # -- checkpoint and journal ------------------------------------------------------------------------

    async def _put_checkpoint(self, value: dict[str, Any]) -> None:
        try:
            await asyncio.to_thread(self.files.sync)
            self.files.checkpoint_put(value)
        except OSError as error:
            raise self._failed(error) from None
        self._failing = False

    @request_handler("content-backing.checkpoint-get", prefix=False)
    def checkpoint_get(self, _msg: Message) -> dict[str, Any]:
        value = self.files.checkpoint()
        if value is None:
            raise OSError(errno.ENOENT, "No such file or directory: no checkpoint")
        return {"value": [value]}

    @request_handler("content-backing.checkpoint-put", prefix=False)
    async def checkpoint_put(self, msg: Message) -> None:
        await self._put_checkpoint(checkpoint.validate(field(msg.args, "value", dict)))

    @request_handler("content-backing.journal-get", prefix=False)
    def journal_get(self, msg: Message) -> bytes:
        """The records after a sequence number, each as sequence, base and record length, then the record."""
        after = int_field(msg.args, "after", -1, MAX_SEQUENCE)
        parts: list[bytes] = []
        for sequence, base, record in self.files.journal.records(after, JOURNAL_RECORDS):
            parts += (f"{sequence} {base} {len(record)}\n".encode(), record)
        if self.files.journal.cut:
            self.files.journal.cut = False
            path = self.files.journal.path
            self.log.error(f"{path}: blobs are missing, as after a power cut: what came last is lost")
        return b"".join(parts)

    @request_handler("content-backing.journal-clear", prefix=False)
    def journal_clear(self, _msg: Message) -> None:
        self.files.journal.clear()

    def stats(self) -> dict[str, Any]:
        return {"object_count": self.files.count()}
