# SPDX-License-Identifier: LGPL-3.0-or-later
"""The README for package indexes, where a path of the repository leads nowhere, and manual pages."""

import re
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

# The target of a link or an image in Markdown, and of an image in HTML; not addresses and places on the page.
_TARGET = re.compile(
    r"""(?P<before> (?P<image>!?) \[ [^]]* \]\( | (?P<tag><img[ ]src=") ) (?!https?:|\#) (?P<at>[^)\s"]+)""",
    re.VERBOSE,
)


def absolute(text: str, repository: str) -> str:
    """Markdown whose links begin with the address of the repository."""

    def made(found: re.Match[str]) -> str:
        kind = "raw" if found["image"] or found["tag"] else "blob"
        return f"{found['before']}{repository}/{kind}/main/{found['at']}"

    return _TARGET.sub(made, text)


class ReadmeHook(MetadataHookInterface):
    """Sets the field ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        readme = absolute(text, metadata["urls"]["Repository"])
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}


class ManualHook(BuildHookInterface):
    """Puts a manual page of each command into the wheel, where ``man`` finds it beside the program."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        spec = spec_from_file_location("manpages", Path(self.root) / "docs" / "manpages.py")
        manpages = module_from_spec(spec)
        spec.loader.exec_module(manpages)
        self._made = tempfile.TemporaryDirectory()
        for name, text in manpages.pages(self.metadata.version).items():
            path = Path(self._made.name) / name
            path.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(path)] = f"share/man/man1/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._made.cleanup()
