# SPDX-License-Identifier: LGPL-3.0-or-later
"""Configuration from TOML files."""

from __future__ import annotations

import glob
import os
from typing import Any

from rosin.errors import FormatError


def merge(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """``extra`` over ``base``: tables are merged, anything else replaced."""
    result = dict(base)
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def parse(text: str, where: str = "configuration") -> dict[str, Any]:
    """A configuration from TOML text. Raises FormatError that names the place."""
    import tomllib

    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise FormatError(f"{where}: {exc}") from None
    except RecursionError:
        raise FormatError(f"{where}: nests too deeply") from None
    return {key: _plain(value) for key, value in config.items()}


def parse_json(text: str, where: str) -> dict[str, Any]:
    """A configuration from a JSON object. Raises FormatError that names the place."""
    from rosin import _json

    try:
        config = _json.loads(text)
    except ValueError as exc:
        raise FormatError(f"{where}: not valid JSON: {exc}") from None
    if not isinstance(config, dict):
        raise FormatError(f"{where}: expected a JSON object")
    return config


def _plain(value: Any) -> Any:
    """TOML knows dates, JSON does not: they become text."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, (str, int, float, bool)):
        return value
    return value.isoformat()


def load(path: str) -> dict[str, Any]:
    """Read one TOML (or JSON) file, or every ``*.toml`` of a directory.

    Raises FormatError, also for files that cannot be read.
    """
    if os.path.isdir(path):
        config: dict[str, Any] = {}
        for name in sorted(glob.glob(os.path.join(path, "*.toml"))):
            config = merge(config, load(name))
        return config
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as exc:
        raise FormatError(f"{path}: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not UTF-8 text") from None
    return parse_json(text, path) if path.endswith(".json") else parse(text, path)
