# SPDX-License-Identifier: LGPL-3.0-or-later
"""Regular expressions over lines, by RE2: whatever they are, a line takes a time that its length gives."""

from __future__ import annotations

from collections.abc import Callable

from rosin.errors import needs_package
from rosin.rest.own.fields import field_problem
from rosin.rest.problem import Problem

#: Bytes that an expression may take, compiled; beyond that it is refused.
_MEMORY = 1 << 20


def expression(text: str, ignore_case: bool) -> Callable[[bytes], bool]:
    """Whether an expression matches anywhere in a line. Raises Problem 422 for one that is none."""
    try:
        import re2
    except ImportError as exc:
        raise Problem(501, str(needs_package("a regular expression", exc.name or "?", "rest"))) from None

    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        search = re2.compile(text.encode("utf-8", "replace"), options).search
    except re2.error as exc:
        why = exc.args[0] if exc.args else b""
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        text = f"no regular expression of RE2: {why}; ^error.*[0-9]+$ is one"
        raise field_problem("search", text) from None
    return lambda line: search(line.removesuffix(b"\n")) is not None
