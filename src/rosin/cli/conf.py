# SPDX-License-Identifier: LGPL-3.0-or-later
"""``--conf``: the configuration of an instance in a job, piece by piece."""

from __future__ import annotations

import os

from rosin import _json
from rosin.configfile import load, merge, parse, parse_json
from rosin.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_ACCEPTED = "KEY=VALUE, TOML or JSON text, or a file of it, as in resource.noverify=true or site.toml"


class NestedConfig:
    """The configuration of an instance in a job; ``config`` is None without any piece. Raises ValueError."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.config: dict[str, Any] | None = None
        for text in pieces:
            self.update(text)

    def update(self, text: str) -> NestedConfig:
        """Add a piece, see :func:`add`."""
        self.config = add(self.config or {}, text)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a dotted key."""
        place: Any = self.config
        for step in key.split("."):
            if not isinstance(place, dict) or step not in place:
                return default
            place = place[step]
        return place


def add(config: dict[str, Any], text: str) -> dict[str, Any]:
    """``config`` with one more piece. Raises FormatError, a ValueError.

    A text of several lines is JSON or TOML; one with ``=`` sets the value of a dotted key; what ends in
    ``.toml`` or ``.json`` is a file; anything else is the name of one in ``flux/config`` along the XDG
    search path.
    """
    if "\n" in text or text.lstrip().startswith("{"):
        return merge(config, _text(text))
    if "=" in text:
        return _assign(config, text)
    if text.endswith((".toml", ".json")):
        return merge(config, _file(text))
    return merge(config, _named(text))


def _text(text: str) -> dict[str, Any]:
    return parse_json(text, "--conf") if text.lstrip().startswith("{") else parse(text, "--conf")


def _assign(config: dict[str, Any], text: str) -> dict[str, Any]:
    key, _, value = text.partition("=")
    if not all(key.strip().split(".")):
        raise FormatError(f"--conf={text}: a key is missing: it takes {_ACCEPTED}")
    return merge(config, _nested(key.strip().split("."), _value(value.strip())))


def _nested(steps: list[str], value: Any) -> dict[str, Any]:
    result = value
    for step in reversed(steps):
        result = {step: result}
    return result  # type: ignore[no-any-return]


def _value(text: str) -> Any:
    """A value of JSON or of TOML, else the text itself."""
    try:
        return _json.loads(text)
    except ValueError:
        pass  # perhaps TOML, or a bare word
    try:
        return parse(f"value = {text}")["value"]
    except FormatError:
        return text


def _file(path: str) -> dict[str, Any]:
    try:
        return load(path)
    except FormatError as exc:
        raise FormatError(f"--conf={path}: {exc}: it takes {_ACCEPTED}") from None


def _named(name: str) -> dict[str, Any]:
    from rosin.cli.formats import search_path

    for directory in reversed(search_path()):
        for suffix in (".toml", ".json"):
            path = os.path.join(directory, "config", name + suffix)
            if os.path.exists(path):
                return _file(path)
    raise FormatError(f"--conf: named config '{name}' not found: it takes {_ACCEPTED}")
