# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.util: what programs use of it."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosin.cli.fields import empty_outputs
from rosin.cli.format import OutputFormat
from rosin.handle.checks import check_topic
from rosin.rfc.fsd import parse as parse_fsd

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CLIMain",
    "OutputFormat",
    "del_treedict",
    "dict_merge",
    "empty_outputs",
    "encode_payload",
    "encode_topic",
    "fsd",
    "get_treedict",
    "parse_datetime",
    "parse_fsd",
    "set_treedict",
    "xdg_searchpath",
]


class CLIMain:
    """Decorates a program's main function: an exception becomes a log line and exit code 1."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self.logger = logging.getLogger() if logger is None else logger

    def __call__(self, main_func: Callable[[], Any]) -> None:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(levelname)s: %(message)s")
        code: Any = 0
        try:
            main_func()
        except SystemExit as exc:
            code = exc.code
        except Exception as exc:
            code = 1
            self.logger.error("%s", exc)
            self.logger.debug("", exc_info=True)
        finally:
            logging.shutdown()
        sys.exit(code)


def encode_payload(payload: object) -> bytes | None:
    """A payload as bytes: JSON of an object, UTF-8 of text. Raises TypeError for what JSON cannot hold."""
    if payload is None or isinstance(payload, bytes):
        return payload
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return text.encode(errors="surrogateescape")


def encode_topic(topic: str | bytes) -> bytes:
    """A topic as bytes. Raises OSError (EINVAL) for None and TypeError for what is no text."""
    return check_topic(topic).encode()


def fsd(secs: float) -> str:
    """A duration for people: ``0.500s``, ``1.083m``, ``1h``; ``0s`` below a millisecond."""
    if secs == float("inf"):
        return "inf"
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if secs >= size:
            value = secs / size
            return f"{value:.4g}{letter}" if size > 1 else f"{value:.3f}s"
    return f"{secs:.3f}s" if secs >= 0.001 else "0s"


def get_treedict(in_dict: dict[str, Any], key: str, default: Any = None) -> Any:
    """The value at a dotted key of nested dictionaries, or ``default``."""
    value: Any = in_dict
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return default
        value = value[part]
    return value


def set_treedict(in_dict: dict[str, Any], key: str, val: Any) -> None:
    """Set the value at a dotted key, making dictionaries on the way."""
    *path, last = key.split(".")
    for part in path:
        in_dict = in_dict.setdefault(part, {})
    in_dict[last] = val


def del_treedict(in_dict: dict[str, Any], key: str, remove_empty: bool = False) -> None:
    """Remove the value at a dotted key, with ``remove_empty`` also dictionaries left empty. Raises
    KeyError.
    """
    *path, last = key.split(".")
    owners = [in_dict]
    for part in path:
        owners.append(owners[-1][part])
    del owners.pop()[last]
    while remove_empty and owners and not owners[-1][path[-1]]:
        del owners.pop()[path.pop()]


def dict_merge(src: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """``src`` with the values of ``new``, nested dictionaries merged; changes and returns ``src``."""
    todo = [(src, new)]
    while todo:
        target, source = todo.pop()
        for key, value in source.items():
            if isinstance(value, dict) and isinstance(target.get(key), dict):
                todo.append((target[key], value))
            else:
                target[key] = value
    return src


def parse_datetime(string: str, now: datetime | None = None) -> datetime:
    """A time as commands take it: ``now``, ``+1h``, ``2026-01-31 12:00``, ``tomorrow``. Raises ValueError."""
    from rosin.cli.when import parse_time

    return datetime.fromtimestamp(parse_time(string, now.timestamp() if now else None)).astimezone()


def _config_directories() -> tuple[str, ...]:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return (home, *(os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"))


def xdg_searchpath(subdir: str = "") -> list[Path]:
    """Where configuration of Flux's commands is looked for, most important first."""
    return [Path(directory) / "flux" / subdir for directory in _config_directories()]
