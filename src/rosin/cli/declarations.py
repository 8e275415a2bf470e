# SPDX-License-Identifier: LGPL-3.0-or-later
"""Options and arguments as they are declared, for whoever makes a parser of them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    #: Of what, a method of argparse, its arguments, and what stands for what it returns.
    Call = tuple["Declarations", str, tuple[Any, ...], dict[str, Any], "Declarations | None"]

#: The help of an option that no help text shows; argparse's word for it.
SUPPRESS = "==SUPPRESS=="
#: The number of words of an argument that takes all that are left; argparse's word for it.
REMAINDER = "..."


class Declarations:
    """Options and positional arguments of a parser, or of a group of them, as argparse's methods take them.

    Besides those of argparse there are two actions: ``words`` collects comma-separated words of all uses in
    one list, ``append_prefixed`` appends a value to the list of another option, with a ``prefix`` and as
    ``convert`` makes it (``--env-remove=X`` is ``--env=-X``).
    """

    def __init__(self, parser: Declarations | None = None) -> None:
        """``parser``: the one of which this is a group; the help shows options in the order of all calls."""
        self.calls: list[Call] = [] if parser is None else parser.calls

    def add_argument(self, *names: str, **keywords: Any) -> None:
        """Declare an option, or a positional argument."""
        self._call("add_argument", names, keywords)

    def add_argument_group(self, title: str, description: str | None = None) -> Any:
        """A group that the help shows under a title."""
        return self._call("add_argument_group", (title, description), {}, Declarations(self))

    def add_mutually_exclusive_group(self) -> Any:
        """A group of which one option may be used."""
        return self._call("add_mutually_exclusive_group", (), {}, Declarations(self))

    def set_defaults(self, **values: Any) -> None:
        """Declare members of the result that are no options, and defaults of those that are."""
        self._call("set_defaults", (), values)

    def _call(
        self, method: str, args: tuple[Any, ...], keywords: dict[str, Any], made: Declarations | None = None
    ) -> Any:
        self.calls.append((self, method, args, keywords, made))
        return made

    def replay(self, parser: Any) -> None:
        """Make these declarations on a parser, or a group of subcommands, of argparse."""
        objects = {self: parser}
        for owner, method, args, keywords, made in self.calls:
            result = getattr(objects[owner], method)(*args, **keywords)
            if made is None:
                continue
            if made.calls is self.calls:
                objects[made] = result
            else:
                made.replay(result)
