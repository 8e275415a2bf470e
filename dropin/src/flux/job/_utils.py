# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job._utils: what the options of the submission commands mean."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from flux._elsewhere import elsewhere
from flux.job._options import (
    MiniConstraintParser,
    URIArg,
    decode_duration,
    decode_signal,
    dependency_array_create,
    filter_dict,
    get_filtered_environment,
    get_filtered_rlimits,
    get_rlimits,
    jobspec_add_file,
    list_split,
    parse_jobspec_keyval,
    parse_signal_option,
)
from flux.util import dict_merge, get_treedict, set_treedict, xdg_searchpath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

__all__ = [
    "BatchConfig",
    "MiniConstraintParser",
    "URIArg",
    "decode_duration",
    "decode_signal",
    "dependency_array_create",
    "filter_dict",
    "get_filtered_environment",
    "get_filtered_rlimits",
    "get_rlimits",
    "jobspec_add_file",
    "list_split",
    "normalize_conf",
    "parse_jobspec_keyval",
    "parse_signal_option",
]

__getattr__ = elsewhere(__name__)


class BatchConfig:
    """A configuration put together of pieces; ``config`` is an object, None before the first piece."""

    loaders: ClassVar[Mapping[str, Callable[[BinaryIO], Any]]] = {".toml": tomllib.load, ".json": json.load}

    def __init__(self) -> None:
        self.config: Any = None

    def update(self, value: str) -> Self:
        """Add a piece: text of several lines (JSON or TOML), ``a.b=VALUE``, a file (``.toml``, ``.json``), or
        the name of a file in ``flux/config`` along the XDG search path. Raises ValueError, TypeError.
        """
        if self.config is None:
            self.config = {}
        if "\n" in value:
            return self.update_string(value)
        if "=" in value:
            return self.update_keyval(value)
        suffix = Path(value).suffix
        return self.update_file(value, suffix) if suffix in self.loaders else self.update_named_config(value)

    def _merge(self, piece: Any) -> Self:
        self.config = dict_merge(self.config or {}, piece)
        return self

    def update_string(self, value: str) -> Self:
        """Add JSON or TOML text. Raises ValueError."""
        for load in (json.loads, tomllib.loads):
            try:
                return self._merge(load(value))
            except ValueError:
                continue
        raise ValueError("--conf: failed to parse multiline as TOML or JSON")

    def update_keyval(self, keyval: str) -> Self:
        """Add ``a.b=VALUE``, VALUE being JSON if it can be. Raises TypeError when ``a`` is no table."""
        key, _, text = keyval.partition("=")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if self.config is None:
            self.config = {}
        try:
            set_treedict(self.config, key, value)
        except (TypeError, AttributeError) as exc:
            raise TypeError(f"failed to set {key} to {value}: {exc}") from None
        return self

    def update_file(self, path: str, extension: str = ".toml") -> Self:
        """Add a file. Raises ValueError that names it."""
        if extension not in self.loaders:
            raise ValueError(f"--conf: {path} must end in .toml or .json")
        try:
            with open(path, "rb") as stream:
                return self._merge(self.loaders[extension](stream))
        except OSError as exc:
            raise ValueError(f"--conf: {exc}") from None
        except ValueError as exc:
            raise ValueError(f"--conf: parse error: {path}: {exc}") from None

    def update_named_config(self, name: str) -> Self:
        """Add the first ``flux/config/NAME.toml`` or ``.json`` of the XDG search path. Raises ValueError."""
        for directory in xdg_searchpath("config"):
            for extension in self.loaders:
                path = directory / f"{name}{extension}"
                if path.exists():
                    return self.update_file(str(path), extension)
        raise ValueError(f"--conf: named config '{name}' not found")

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a dotted key."""
        return get_treedict(self.config or {}, key, default)


def normalize_conf(conf: Any) -> Any:
    """A configuration as an object: of a dictionary, a BatchConfig, or a piece as it takes; None of None."""
    if conf is None or isinstance(conf, dict):
        return conf
    return conf.config if isinstance(conf, BatchConfig) else BatchConfig().update(str(conf)).config
