# SPDX-License-Identifier: LGPL-3.0-or-later
"""A directory with one file for each blob, named by its blobref, and one for the checkpoint.

The names are flux-core's (``content.files``, in it ``sha1-...`` and ``kvs-primary``), so either
implementation opens the other's directory. A file appears under its name when it is whole: it is written
under another name and renamed. Everything is the owner's alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.modules.content_files.journal import StoreJournal
from rosin.process.platform import sync_file_system
from rosin.process.remove import remove_tree
from rosin.rfc import blobref

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The format of what the directory holds beside flux-core's files, noted in the file beside it. Before it was
#: noted there it was 1, of which a journal goes on to be read.
VERSION = 2
CHECKPOINT = "kvs-primary"
JOURNAL = ".journal"
#: The name of a file while it is written; there is one writer.
_NEW = ".new"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def _naming(path: str, action: str) -> Iterator[None]:
    """Errors of the system are told with what could not be done to which file."""
    try:
        yield
    except OSError as error:
        text = f"content-files: cannot {action} {path}: {error.strerror}"
        raise OSError(error.errno, text) from None


class StoreDirectory:
    """One open store. Every method raises OSError with a text that names the file."""

    def __init__(self, path: str, algo: str, temporary: bool = False) -> None:
        """*algo*: the hash that names blobs. *temporary*: nobody expects to find the directory again."""
        self.path = path
        self.algo = algo
        self.temporary = temporary
        self._state = path + ".state"
        self._check()
        with _naming(path, "open"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with _naming(path, "open"):
                self._make_private()
                self.journal = StoreJournal(self._fd, JOURNAL, f"{path}/{JOURNAL}", self._whole)
            if not temporary:
                self._record()
        except OSError:
            os.close(self._fd)
            raise

    def _check(self) -> None:
        """Raises OSError with the remedy: ENOENT when something is missing that held state, EINVAL for what a
        newer Rosin has written."""
        try:
            with open(self._state, encoding="ascii") as stream:
                text = stream.read(64).strip() or "1"
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise OSError(errno.EIO, f"content-files: cannot read {self._state}: {error}") from None
        if not text.isdecimal():
            raise OSError(errno.EIO, f"content-files: {self._state}: expected a number, got '{text}'")
        if int(text) > VERSION:
            raise OSError(
                errno.EINVAL,
                f"content-files: {self.path} was written by a newer Rosin (format {text}, this one knows"
                f" {VERSION}): use that one, or move it and {self._state} away",
            )
        for path in (self.path, f"{self.path}/{JOURNAL}"):
            if not os.path.lexists(path):
                raise OSError(
                    errno.ENOENT,
                    f"content-files: {path} is missing, which held the state of the instance: "
                    f"put it back, or remove {self._state} to go on without it",
                )

    def _make_private(self) -> None:
        status = os.fstat(self._fd)
        if status.st_uid != os.geteuid():
            raise OSError(errno.EPERM, "it belongs to another user")
        if stat.S_IMODE(status.st_mode) != 0o700:
            os.fchmod(self._fd, 0o700)

    def _record(self) -> None:
        """From now on the directory must be there, with its journal."""
        with _naming(self._state, "write"):
            fd = os.open(self._state, _WRITE, 0o600)
            try:
                os.write(fd, b"%d\n" % VERSION)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Close it."""
        self.journal.close()
        os.close(self._fd)

    @staticmethod
    def remove(path: str) -> None:
        """Remove a store with all that it holds. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ".state")
        remove_tree(path)
        if os.path.lexists(path):
            raise OSError(errno.EIO, f"content-files: cannot remove {path}")

    # -- files -------------------------------------------------------------------------------------

    def _read(self, name: str) -> bytes:
        """What a file holds. Raises FileNotFoundError for one that does not exist."""
        with _naming(f"{self.path}/{name}", "read"):
            fd = os.open(name, _READ, dir_fd=self._fd)
            try:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EIO, "it is no regular file")
                with open(fd, "rb", buffering=0, closefd=False) as stream:
                    return stream.readall()
            finally:
                os.close(fd)

    def _write(self, name: str, data: bytes, durable: bool = False) -> None:
        with _naming(f"{self.path}/{name}", "write"):
            try:
                fd = os.open(_NEW, _WRITE, 0o600, dir_fd=self._fd)
                try:
                    with open(fd, "wb", buffering=0, closefd=False) as stream:
                        rest = memoryview(data)
                        while rest:
                            rest = rest[stream.write(rest) or 0 :]
                    if durable:
                        os.fsync(fd)
                finally:
                    os.close(fd)
                os.rename(_NEW, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            except OSError:
                with contextlib.suppress(OSError):  # a full disk gets its room back
                    os.unlink(_NEW, dir_fd=self._fd)
                raise
            if durable:
                os.fsync(self._fd)

    # -- blobs -------------------------------------------------------------------------------------

    def load(self, digest: bytes) -> bytes:
        """The blob. OSError ENOENT: unknown; EIO: damaged."""
        name = blobref.from_digest(digest, self.algo)
        try:
            blob = self._read(name)
        except FileNotFoundError:
            raise OSError(errno.ENOENT, f"No such file or directory: unknown blob {name}") from None
        if blobref.digest(blob, self.algo) != digest:
            raise OSError(
                errno.EIO,
                f"Input/output error: content-files: {self.path}/{name} is damaged: "
                "its content does not match its name; put a good copy there or restore a dump",
            )
        return blob

    def _whole(self, digest: bytes) -> bool:
        """Whether a blob is there, and is what its name says."""
        try:
            self.load(digest)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EIO):
                return False
            raise
        return True

    def contains(self, digest: bytes) -> bool:
        """Tell whether the blob is stored."""
        name = blobref.from_digest(digest, self.algo)
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def store(self, digest: bytes, blob: bytes) -> None:
        """Store one blob; one that is there already is written anew, whatever has become of it."""
        self._write(blobref.from_digest(digest, self.algo), blob)

    def count(self) -> int:
        """How many blobs are stored."""
        with os.scandir(self._fd) as entries:
            return sum(blobref.is_valid(entry.name) for entry in entries)

    def sync(self) -> None:
        """Wait until all blobs are on the disk; may take long."""
        if not self.temporary:
            sync_file_system(self._fd)

    # -- checkpoints -------------------------------------------------------------------------------

    def checkpoint(self) -> dict[str, Any] | None:
        """The checkpoint, if there is one. OSError EIO: it cannot be read."""
        path = f"{self.path}/{CHECKPOINT}"
        try:
            value = _json.loads(self._read(CHECKPOINT))
            if type(value) is not dict:
                raise ValueError("expected an object")
        except FileNotFoundError:
            return None
        except ValueError as error:
            text = f"Input/output error: content-files: {path}: unreadable checkpoint: {error}"
            raise OSError(errno.EIO, text) from None
        return value

    def checkpoint_put(self, value: dict[str, Any]) -> None:
        """Replace the checkpoint, for whose blobs :meth:`sync` has seen to it; the journal up to it goes."""
        self._write(CHECKPOINT, _json.dumps(value), not self.temporary)
        sequence = value.get("sequence")
        if isinstance(sequence, int):
            self.journal.trim(sequence)
