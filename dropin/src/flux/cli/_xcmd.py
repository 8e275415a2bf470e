# SPDX-License-Identifier: LGPL-3.0-or-later
"""The arguments of one job of many: fields of the options and of the command are filled in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rosin.cli.template import OPTIONS, InputText, describe, substitute

__all__ = ["Xcmd"]

_OPEN, _CLOSE = "=stache=", "=/stache="


def _each(change: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, list):
        return [change(text) for text in value]
    return change(value) if isinstance(value, str) else value


class Xcmd:
    """A copy of ``args`` whose fields (``{}``, ``{0./}``, ``{cc}``) stand for ``inputs`` and keywords.

    It serves as the arguments itself; ``modified`` names the options that have changed. As text it is what a
    command line would have. Raises ValueError for a field that there is nothing for.
    """

    #: Options that may have fields, and how they are shown.
    mutable_args: ClassVar[dict[str, str]] = dict(OPTIONS)

    class Xinput(InputText):
        """An input: ``{0}`` is itself, ``{0.%}`` without extension, ``{0.NAME}`` what a method makes."""

        def __init__(self, arg: str, methods: Mapping[str, Any]) -> None:
            super().__init__(arg, methods)
            self.string = arg
            self.methods = methods

    def __init__(self, args: Any, inputs: Any = None, **kwargs: Any) -> None:
        self._orig_args = args
        methods = getattr(args, "methods", None) or {}
        texts = [self.Xinput(text, methods) for text in inputs or ()]
        source = vars(args) if not isinstance(args, Xcmd) else args.values()
        complete = _Complete({**dict.fromkeys(OPTIONS), **source})
        self._made = substitute(complete, texts, **kwargs)  # type: ignore[arg-type]
        self.command: list[str] = self._made.command
        self.modified = dict.fromkeys([*sorted(self._made.changed), "cc"], True)

    def values(self) -> dict[str, Any]:
        """All arguments by name."""
        own = {name: value for name, value in vars(self).items() if name not in ("_orig_args", "_made")}
        return {**vars(self._made), **own}

    def __getattr__(self, attr: str) -> Any:
        if attr.startswith("__") or attr == "_made":
            raise AttributeError(attr)
        return getattr(self._made, attr)

    def __str__(self) -> str:
        return describe(self._made)

    @staticmethod
    def preserve_mustache(val: Any) -> Any:
        """A text, or each of a list, with ``{{`` and ``}}`` so that formatting leaves them."""
        return _each(lambda text: text.replace("{{", _OPEN).replace("}}", _CLOSE), val)

    @staticmethod
    def restore_mustache(val: Any) -> Any:
        """Undo :meth:`preserve_mustache`."""
        return _each(lambda text: text.replace(_OPEN, "{{").replace(_CLOSE, "}}"), val)


class _Complete:
    """Arguments with all options, also those that the command does not have."""

    def __init__(self, values: dict[str, Any]) -> None:
        vars(self).update(values)
