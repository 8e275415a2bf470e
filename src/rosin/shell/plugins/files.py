# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: files that came with the jobspec, ``attributes.system.files``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rosin.content import load_async
from rosin.errors import FormatError
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import ShellPlugin


class Files(ShellPlugin):
    """Writes them into the job's temporary directory."""

    name = "files"

    def shell_init(self) -> None:
        info = self.shell.info
        if info.tmpdir is not None:
            extract_files(info.spec.system["files"], info.tmpdir, self._load)

    def _load(self, reference: str) -> bytes:
        return load_async(self.shell.h, reference).get_raw()


def extract_files(files: Any, tmpdir: str, load: Callable[[str], bytes]) -> None:
    """Write ``attributes.system.files``, an archive, below ``tmpdir``. ``load`` fetches a blob.

    Raises ShellError."""
    from rosin.archive import extract  # few jobs have any
    from rosin.rfc import archive

    try:
        extract(archive.decode(files), tmpdir, load)
    except FormatError as error:
        raise ShellError(f"attributes.system.files: {error}") from None
    except OSError as error:
        raise ShellError(f"attributes.system.files: {error.filename}: {error.strerror}") from None
