# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job's temporary directory on this node, ``FLUX_JOB_TMPDIR``."""

from __future__ import annotations

import errno
import os

from rosin.process.directory import open_private
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import ShellPlugin


class Tmpdir(ShellPlugin):
    """Makes the directory, and takes it away when nothing of the job runs any more."""

    name = "tmpdir"

    def shell_init(self) -> None:
        info = self.shell.info
        tmpdir = info.spec.environment.get("TMPDIR")
        if tmpdir and not ensure_directory(tmpdir):
            self.shell.log.warn(f"Unable to create TMPDIR={tmpdir}, resetting TMPDIR=/tmp", self.name)
            tmpdir = info.spec.environment["TMPDIR"] = "/tmp"
        info.tmpdir = make_tmpdir(self.shell.startup.attr("rundir"), tmpdir, info.rank, info.f58)

    def close(self) -> None:
        if self.shell.info.tmpdir is not None:
            remove_tree(self.shell.info.tmpdir)


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
