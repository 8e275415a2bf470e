# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a shell puts into the file system for its job: the job's temporary directory, files that came with the
jobspec (RFC 37), and the batch script."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from rosin.errors import FormatError
from rosin.process.directory import open_private
from rosin.shell.errors import ShellError


def make_tmpdir(rundir: str | None, tmpdir: str | None, shell_rank: int, f58: str) -> str:
    """Make ``jobtmp-RANK-ID`` in the broker's run directory, or else (for a guest) in TMPDIR or /tmp.

    Raises ShellError."""
    name = f"jobtmp-{shell_rank}-{f58}"
    failure: OSError | None = None
    for parent in filter(None, (rundir, tmpdir or "/tmp")):
        path = os.path.join(parent, name)
        try:
            os.close(open_private(path))
            return path
        except OSError as error:
            failure = error
    raise ShellError(f"error creating FLUX_JOB_TMPDIR: {failure and failure.strerror}")


def ensure_directory(path: str) -> bool:
    """Make the directory unless it is there; whether it is now."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def remove_tree(path: str) -> None:
    """Remove the directory with whatever tasks left in it."""
    try:
        os.rmdir(path)  # nearly always it is empty
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            from rosin.process import remove

            remove.remove_tree(path)  # what stays goes with the broker's run directory


def write_script(batch: Any, tmpdir: str, shell_rank: int) -> str:
    """Path of the batch script in ``tmpdir``; the leader writes it, from ``attributes.system.batch``."""
    script = batch.get("script") if isinstance(batch, dict) else None
    if not isinstance(script, str):
        raise ShellError("failed to unpack batch info: script is not a string")
    path = os.path.join(tmpdir, "script")
    if shell_rank != 0:
        return path
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o700)
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write(script)
    except OSError as error:
        raise ShellError(f"{path}: {error.strerror}") from None
    return path


def batch_command(argv: list[str], batch: dict[str, Any], rank: int, script: str) -> list[str]:
    """The command of a batch job's task: an instance whose initial program on rank 0 is the script.

    A command that starts an instance by itself (the usual form) is left alone."""
    program = argv[0].rpartition("/")[2]
    if program in ("flux", "rosin") and argv[1:2] in (["broker"], ["start"]):
        return argv
    options = batch.get("broker-opts") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise ShellError("batch.broker-opts attribute must be an array")
    return ["flux", "broker", *options, *([script, *argv[1:]] if rank == 0 else [])]


def extract_files(files: Any, tmpdir: str, load: Callable[[str], bytes]) -> None:
    """Write ``attributes.system.files``, an archive, below ``tmpdir``. ``load`` fetches a blob.

    Raises ShellError."""
    from rosin.archive.extract import extract  # most jobs have no files
    from rosin.rfc import archive

    try:
        extract(archive.decode(files), tmpdir, load)
    except FormatError as error:
        raise ShellError(f"attributes.system.files: {error}") from None
    except OSError as error:
        raise ShellError(f"attributes.system.files: {error.filename}: {error.strerror}") from None
