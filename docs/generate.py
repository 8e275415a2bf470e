# SPDX-License-Identifier: LGPL-3.0-or-later
"""Writes the generated pages of the documentation: ``python docs/generate.py [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path

from rosin.cli.reference import NOTE, pages

_REFERENCE = Path(__file__).parent / "reference"


def stale() -> list[Path]:
    """Pages whose text is not what the parsers say, and pages of commands that are gone."""
    current = pages()
    wrong = [
        _REFERENCE / name
        for name, text in current.items()
        if not (_REFERENCE / name).is_file() or (_REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    # Pages written by hand live here too; only generated ones can be left over.
    wrong.extend(
        path
        for path in sorted(_REFERENCE.glob("*.md"))
        if path.name not in current and path.read_text(encoding="utf-8").startswith(NOTE)
    )
    return wrong


def main() -> int:
    """Write the pages, or with ``--check`` name those that are not current."""
    wrong = stale()
    if "--check" in sys.argv[1:]:
        for path in wrong:
            print(f"{path}: not current; run python docs/generate.py")
        return 1 if wrong else 0
    current = pages()
    _REFERENCE.mkdir(exist_ok=True)
    for path in wrong:
        if path.name in current:
            path.write_text(current[path.name], encoding="utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
