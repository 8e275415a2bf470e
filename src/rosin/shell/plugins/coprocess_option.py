# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the ``coprocess`` option says: an object of programs by their names.

``command`` is a list of words, ``output`` the template of a file, ``ranks`` an idset of shells.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rosin.errors import FormatError
from rosin.rfc.idset import Idset
from rosin.shell.errors import ShellError

_KEYS = ("command", "output", "ranks")
_EXAMPLE = '{"top":{"command":["top","-b"]}}'
#: Programs of a job at most: each costs every shell a process and three descriptors.
MOST = 64


class CoprocessConf(NamedTuple):
    """One program; ``ranks`` None: every shell runs it."""

    name: str
    command: list[str]
    output: str
    ranks: Idset | None

    def runs_on(self, shell_rank: int) -> bool:
        """Whether this shell runs it."""
        return self.ranks is None or shell_rank in self.ranks


def parse(value: Any) -> list[CoprocessConf]:
    """The programs of the option. Raises ShellError."""
    if not isinstance(value, dict) or not value:
        raise _error(f"={value}: it must be a non-empty object: expected one such as {_EXAMPLE}")
    if len(value) > MOST:
        raise _error(f": {len(value)} programs: expected {MOST} at most")
    return [_program(name, entry) for name, entry in value.items()]


def _program(name: str, entry: Any) -> CoprocessConf:
    if not name or "/" in name or "\0" in name:
        raise _error(f": {name!r}: expected a name without a slash, as in {_EXAMPLE}")
    if not isinstance(entry, dict):
        raise _error(f": {name}: expected an object, as in {_EXAMPLE}, got {entry}")
    for key in entry:
        if key not in _KEYS:
            raise _error(f": {name}: unknown key {key}: expected one of {', '.join(_KEYS)}")
    command = entry.get("command")
    words = command if isinstance(command, list) else []
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise _error(
            f": {name}: command must be a non-empty array of strings: expected one such as "
            f'["top","-b"], got {command}'
        )
    output = entry.get("output", f"coproc-{name}-{{{{id}}}}.log")
    if not isinstance(output, str) or not output:
        raise _error(f": {name}: output={output}: expected a file, as in top-{{{{id}}}}.log")
    return CoprocessConf(name, words, output, _ranks(name, entry.get("ranks", "all")))


def _ranks(name: str, text: Any) -> Idset | None:
    if text == "all":
        return None
    try:
        if isinstance(text, str):
            return Idset.decode(text)
    except FormatError:
        text = f"'{text}'"
    raise _error(f": {name}: invalid ranks {text}: expected all or an idset, as in 0-3")


def _error(text: str) -> ShellError:
    return ShellError(f"shell option coprocess{text}")
