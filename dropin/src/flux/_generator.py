# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the parsers of flux-core take for the parser generator that they are made with."""

from __future__ import annotations

from typing import Any


class GeneratedParser:
    """Takes the generator's options, which have no meaning here."""

    def __init__(
        self,
        lexer: Any = None,
        optimize: bool = True,
        debug: bool = False,
        write_tables: bool = False,
        **kw_args: Any,
    ) -> None:
        super().__init__()
