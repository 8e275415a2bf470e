# SPDX-License-Identifier: LGPL-3.0-or-later
"""The README for package indexes, where a path of the repository leads nowhere."""

import re
from pathlib import Path
from typing import Any

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
