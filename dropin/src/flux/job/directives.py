# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.directives: the ``# flux:`` lines of scripts (RFC 36)."""

from __future__ import annotations

from collections.abc import Iterable

from rosin.rfc.directives import parse

__all__ = ["Directive", "DirectiveParser"]


class Directive:
    """One directive. ``action`` is ``SETARGS``, ``args`` its words, ``lineno`` where it begins."""

    def __init__(self, args: list[str], lineno: int = -1) -> None:
        self.action = "SETARGS"
        self.args = args
        self.lineno = lineno

    def __str__(self) -> str:
        return f"{self.action}({self.args})"


class DirectiveParser:
    """The directives of an open script: ``directives``, and its text, ``script``. Raises ValueError naming
    the line.
    """

    def __init__(self, inputfile: Iterable[str]) -> None:
        lines = list(inputfile)
        self.script = "".join(lines)
        self.directives = [Directive(found.args, found.line) for found in parse(lines)]
