# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: the ``stage-in`` option: archives of the instance (``rosin archive create``) are extracted on each
node before the tasks start.
"""

from __future__ import annotations

import os
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.content import load_async
from rosin.errors import FormatError
from rosin.shell.errors import ShellError
from rosin.shell.options import Options
from rosin.shell.plugins.api import Api, ShellPlugin

if TYPE_CHECKING:
    from rosin.rfc.archive import Entry

_EXAMPLES = {"destination": "local:/tmp", "names": "main,data", "pattern": "'*.dat'", "tags": "main"}
_DEFAULT = "main"


class Staging(NamedTuple):
    """What is extracted where. ``destination`` None: the job's temporary directory."""

    names: list[str]
    pattern: str | None
    destination: str | None
    once: bool  # by one shell, for a directory that all nodes share


def parse(options: Options) -> Staging | None:
    """The option; None: nothing is asked for. Raises ShellError."""
    value = options.get("stage-in")
    if not value and not isinstance(value, dict):
        return None
    texts = {key: _text(options, key) for key in _EXAMPLES}
    names = [name for name in (texts["tags"] or texts["names"] or _DEFAULT).split(",") if name]
    prefix, colon, directory = (texts["destination"] or "").partition(":")
    if colon and prefix not in ("local", "global"):
        raise ShellError(
            f"shell option stage-in.destination={texts['destination']}: destination prefix must be local: or "
            "global:, as in global:/shared/data"
        )
    destination = (directory if colon else texts["destination"]) or None
    return Staging(names, texts["pattern"], destination, prefix == "global" and bool(colon))


def _text(options: Options, key: str) -> str | None:
    value = options.get(f"stage-in.{key}")
    if value is not None and not isinstance(value, str):
        raise ShellError(
            f"shell option stage-in.{key}={value}: expected text, as in stage-in.{key}={_EXAMPLES[key]}"
        )
    return value


class StageIn(ShellPlugin):
    """Extracts the archives; files that are there are replaced."""

    name = "stage-in"

    def __init__(self, shell: Api) -> None:
        super().__init__(shell)
        self._staging = parse(shell.info.options)
        self.prepares = self._staging is not None

    def shell_init(self) -> None:
        staging, shell = self._staging, self.shell
        if staging is None or (staging.once and not shell.leader):
            return
        if shell.leader and shell.info.options.get("stage-in.tags") is not None:
            shell.log.warn(
                "Setting stage-in.names to the value of deprecated option stage-in.tags.", "stage-in"
            )
        directory = staging.destination or shell.info.tmpdir
        if directory is None:
            raise ShellError("stage-in: FLUX_JOB_TMPDIR is not set")
        shell.log.debug(f"=> {directory}", "stage-in")
        begun = time.monotonic()
        count = size = 0
        for name in staging.names:
            for entry in self._extract(name, staging.pattern, directory):
                count += 1
                size += entry.length
                shell.log.trace(entry.line(), "stage-in")
        elapsed = max(time.monotonic() - begun, 1e-6)
        shell.log.debug(f"{count} files {1e-6 * size / elapsed:.1f}MB/s", "stage-in")

    def _extract(self, name: str, pattern: str | None, directory: str) -> list[Entry]:
        """Extract one archive; returns its entries."""
        from rosin.archive import extract  # few jobs have any
        from rosin.rfc import archive

        key = f"archive.{name}"
        try:
            found = self._lookup(key)
        except (OSError, FormatError) as error:
            raise ShellError(
                f"stage-in: could not lookup {key} in primary KVS namespace: {_reason(error)}"
            ) from None
        try:
            entries = archive.decode(found)
            if pattern is not None:
                wanted = pattern.removeprefix("./")
                entries = [entry for entry in entries if fnmatchcase(entry.path, wanted)]
            extract(entries, directory, self._load, overwrite=True)
        except FormatError as error:
            raise ShellError(f"stage-in: {key}: {error}") from None
        except OSError as error:
            raise ShellError(f"stage-in: {key}: {error.filename}: {error.strerror}") from None
        return entries

    def _lookup(self, key: str) -> Any:
        from rosin.kvs.lookup import decode_value, lookup_async

        return decode_value(lookup_async(self.shell.h, key, "primary").get())

    def _load(self, reference: str) -> bytes:
        return load_async(self.shell.h, reference).get_raw()


def _reason(error: OSError | FormatError) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
