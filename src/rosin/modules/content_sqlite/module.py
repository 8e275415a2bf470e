# SPDX-License-Identifier: LGPL-3.0-or-later
"""The backing store of the content service on rank 0 (service ``content-backing``; topics as in flux-core).

Every request is one SQLite transaction, run inline: it is shorter than handing it to a thread. With a
persistent ``statedir`` the file is in write-ahead mode with ``synchronous=NORMAL``, which survives a killed
process; ``[content-sqlite] synchronous = "FULL"`` also survives a power cut. A temporary directory goes
with its broker: it needs no synchronisation at all, and a rollback journal in memory for failing writes.
"""

from __future__ import annotations

import errno
import os
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rosin.broker.module import BrokerModule, request_handler
from rosin.broker.tstat import Tstat
from rosin.errors import FormatError
from rosin.internal import checkpoint
from rosin.internal.backing_commit import decode
from rosin.modules.content_sqlite import settings
from rosin.modules.content_sqlite.database import MAX_MARK, Database
from rosin.modules.content_sqlite.files import DatabaseFiles
from rosin.modules.content_sqlite.settings import SqliteSettings
from rosin.rfc import blobref
from rosin.rfc.payload import field, int_field, list_field

if TYPE_CHECKING:
    from rosin.rfc.message import Message

#: The largest integer of SQLite.
MAX_INTEGER = (1 << 63) - 1
#: Journal records in one answer.
JOURNAL_RECORDS = 1000


class ContentSqlite(BrokerModule):
    """Blobs, checkpoints and the KVS journal in ``content.sqlite`` below ``statedir``."""

    name = "content-sqlite"
    arguments = settings.ARGUMENTS
    services = ("content-backing",)

    async def start(self) -> None:
        directory = self.attrs.get("statedir") or self.attrs.get("rundir")
        if directory is None:
            raise OSError(errno.ENOENT, "content-sqlite: the broker attribute statedir is not set")
        self._temporary = "statedir" not in self.attrs or self.attrs.get("statedir-cleanup", "0") == "1"
        path = os.path.join(directory, "content.sqlite")
        new = self._settings(self.config)
        if new.truncate:
            DatabaseFiles(path, True).remove()
        self.load_time, self.store_time = Tstat(), Tstat()
        self.db = Database(path, new.journal_mode, new.synchronous, new.max_checkpoints, self._temporary)
        try:
            await self.h.rpc("content.register-backing", {"name": "content-sqlite"})
        except OSError as error:
            if error.errno != errno.ENOSYS:  # flux-core's tools load it alone to inspect a file
                self.db.close()
                raise
        self._failing = False

    async def stop(self) -> None:
        try:
            await self.h.rpc("content.unregister-backing")
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EINVAL):
                self.log.error(f"cannot unregister: {error.strerror}")
        self.db.close()

    def reconfigure(self, config: dict[str, Any]) -> None:
        new = self._settings(config)
        if (new.journal_mode, new.synchronous) != (self.db.journal_mode, self.db.synchronous):
            self.db.tune(new.journal_mode, new.synchronous)
        self.db.max_checkpoints = new.max_checkpoints

    def _settings(self, config: dict[str, Any]) -> SqliteSettings:
        return SqliteSettings.parse(config, self.arg_values, temporary=self._temporary)

    def _failed(self, error: OSError) -> None:
        """Log the first failure of a series: a full disk must not fill the log as well."""
        if not self._failing:
            self.log.error(f"{error.strerror}: nothing more is stored until this is solved")
        self._failing = True

    def _digest(self, raw: bytes) -> bytes:
        size = blobref.DIGEST_SIZE[self.attrs.get("content.hash", "sha1")]
        if len(raw) != size:
            raise FormatError(f"content-backing: expected a digest of {size} bytes, got {len(raw)}")
        return raw

    # -- blobs ---------------------------------------------------------------------------------------

    @request_handler("content-backing.load", prefix=False)
    def load(self, msg: Message) -> bytes:
        digest = self._digest(msg.raw)
        start = perf_counter()
        blob = self.db.load(digest)
        self.load_time.add((perf_counter() - start) * 1000)
        return blob

    @request_handler("content-backing.store", prefix=False)
    def store(self, msg: Message) -> bytes:
        digest = blobref.digest(msg.raw, self.attrs.get("content.hash", "sha1"))
        start = perf_counter()
        try:
            self.db.store(digest, msg.raw)
        except OSError as error:
            self._failed(error)
            raise
        self.store_time.add((perf_counter() - start) * 1000)
        return digest

    @request_handler("content-backing.validate", prefix=False)
    def validate(self, msg: Message) -> None:
        if not self.db.contains(self._digest(msg.raw)):
            raise OSError(errno.ENOENT, "No such file or directory: unknown blob")

    @request_handler("content-backing.commit", prefix=False)
    def commit(self, msg: Message) -> None:
        batch = decode(msg.raw)
        start = perf_counter()
        try:
            self.db.commit(batch)
        except OSError as error:
            self._failed(error)
            raise
        self._failing = False
        self.store_time.add((perf_counter() - start) * 1000)

    # -- checkpoints and journal -----------------------------------------------------------------------

    @request_handler("content-backing.checkpoint-get", prefix=False)
    def checkpoint_get(self, _msg: Message) -> dict[str, Any]:
        checkpoints = self.db.checkpoints()
        if not checkpoints:
            raise OSError(errno.ENOENT, "no checkpoint")
        return {"value": [checkpoint["value"] for checkpoint in checkpoints]}

    @request_handler("content-backing.checkpoint-put", prefix=False)
    def checkpoint_put(self, msg: Message) -> None:
        try:
            self.db.checkpoint_put(checkpoint.validate(field(msg.args, "value", dict)))
        except OSError as error:
            self._failed(error)
            raise

    @request_handler("content-backing.journal-get", prefix=False)
    def journal_get(self, msg: Message) -> bytes:
        """The records after a sequence number, each as sequence, base and record length, then the record."""
        records = self.db.journal(int_field(msg.args, "after", -1, MAX_INTEGER), JOURNAL_RECORDS)
        parts: list[bytes] = []
        for sequence, base, record in records:
            parts += (f"{sequence} {base} {len(record)}\n".encode(), record)
        return b"".join(parts)

    @request_handler("content-backing.journal-clear", prefix=False)
    def journal_clear(self, _msg: Message) -> None:
        self.db.journal_clear()

    # -- garbage collection (flux gc) --------------------------------------------------------------------

    @request_handler("content-backing.mark", prefix=False)
    def mark(self, msg: Message) -> dict[str, int]:
        epoch, hashes = int_field(msg.args, "epoch", 0, MAX_INTEGER), list_field(msg.args, "hashes", str)
        if len(hashes) > MAX_MARK:
            raise OSError(errno.EINVAL, f"mark: at most {MAX_MARK} hashes in one request")
        return {"marked": self.db.mark(epoch, [blobref.parse(ref)[1] for ref in hashes])}

    @request_handler("content-backing.sweep", prefix=False)
    def sweep(self, msg: Message) -> dict[str, int]:
        names = ("epoch", "cursor", "high_water", "delete_cap", "window")
        epoch, cursor, high_water, cap, window = [int_field(msg.args, name, 0, MAX_INTEGER) for name in names]
        if epoch > self.db.epoch or cap < 1 or window < 1:
            raise OSError(errno.EINVAL, "sweep: argument out of range")
        deleted, cursor = self.db.sweep(epoch, cursor, high_water, cap, window)
        return {"deleted": deleted, "cursor": cursor}

    @request_handler("content-backing.gc-info", prefix=False)
    def gc_info(self, msg: Message) -> dict[str, int]:
        epoch = int_field(msg.args, "epoch", 0, MAX_INTEGER)
        info = {"current_epoch": self.db.epoch, "high_water": self.db.high_water()}
        if field(msg.args, "get_count", bool, False):
            info["candidates"] = self.db.count(before_epoch=epoch)
        return info

    def stats(self) -> dict[str, Any]:
        return {
            "object_count": self.db.count(),
            "current_epoch": self.db.epoch,
            "dbfile_size": self.db.file_size(),
            "dbfile_free": self.db.free_space(),
            "load_time": self.load_time.report(),
            "store_time": self.store_time.report(),
            "config": {"journal_mode": self.db.journal_mode, "synchronous": self.db.synchronous},
            "gc": {},
            "checkpoints": self.db.checkpoints(),
        }
