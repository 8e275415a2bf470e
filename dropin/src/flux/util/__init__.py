# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.util: what programs use of it."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from flux._elsewhere import elsewhere
from flux.util.actions import (
    ColorAction,
    FilterAction,
    FilterActionSetUpdate,
    FilterActionUser,
    FilterTrueAction,
    TreedictAction,
    YesNoAction,
    help_formatter,
    set_treedict,
)
from flux.util.config import UtilConfig, dict_merge, xdg_searchpath
from flux.util.formats import (
    AltField,
    Deduplicator,
    DisplayValue,
    OutputFormat,
    UtilDatetime,
    UtilFormatter,
)
from flux.util.tree import Tree
from rosin.cli.fields import duration, empty_outputs
from rosin.handle.checks import check_topic
from rosin.job.spec import local_file
from rosin.rfc import fsd as _fsd
from rosin.rfc.jobspec.build import file_entry

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

__all__ = [
    "AltField",
    "CLIMain",
    "ColorAction",
    "Deduplicator",
    "DisplayValue",
    "Fileref",
    "FilterAction",
    "FilterActionSetUpdate",
    "FilterActionUser",
    "FilterTrueAction",
    "OutputFormat",
    "Tree",
    "TreedictAction",
    "UtilConfig",
    "UtilDatetime",
    "UtilFormatter",
    "YesNoAction",
    "check_future_error",
    "del_treedict",
    "dict_merge",
    "empty_outputs",
    "encode_payload",
    "encode_topic",
    "fsd",
    "get_treedict",
    "help_formatter",
    "interruptible",
    "parse_datetime",
    "parse_fsd",
    "set_treedict",
    "xdg_searchpath",
]

__getattr__ = elsewhere(__name__)


class CLIMain:
    """Decorates a program's main function: an exception becomes a log line and exit code 1.

    ``FLUX_PYCLI_LOGLEVEL`` is the least level (a number of the module logging) that is shown; at 10 a
    traceback follows.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self.logger = logging.getLogger() if logger is None else logger

    def __call__(self, main_func: Callable[[], Any]) -> None:
        level = int(os.environ.get("FLUX_PYCLI_LOGLEVEL", logging.INFO))
        logging.basicConfig(level=level, format="%(name)s: %(levelname)s: %(message)s")
        code: Any = 0
        try:
            main_func()
        except SystemExit as exc:
            code = exc.code
        except Exception as exc:
            code = 1
            self.logger.error("%s", _reason(exc))
            self.logger.debug("", exc_info=True)
        finally:
            logging.shutdown()
        sys.exit(code)


def _reason(exc: Exception) -> str:
    """What went wrong, without the number of an OSError but with its file."""
    text = getattr(exc, "strerror", None) or str(exc)
    filename = getattr(exc, "filename", None)
    return f"{text}: '{filename}'" if filename else text


def check_future_error(func: _Function) -> _Function:
    """The function itself: OSErrors of futures have the text of the response by themselves."""
    return func


def interruptible(func: _Function) -> _Function:
    """The function itself: Ctrl-C interrupts futures by itself."""
    return func


def encode_payload(payload: object) -> bytes | None:
    """A payload as bytes: JSON of an object, UTF-8 of text. Raises TypeError for what JSON cannot hold."""
    if payload is None or isinstance(payload, bytes):
        return payload
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    return text.encode(errors="surrogateescape")


def encode_topic(topic: str | bytes) -> bytes:
    """A topic as bytes. Raises OSError (EINVAL) for None and TypeError for what is no text."""
    return check_topic(topic).encode()


def get_treedict(in_dict: dict[str, Any], key: str, default: Any = None) -> Any:
    """The value at a dotted key of nested dictionaries, or ``default``."""
    value: Any = in_dict
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return default
        value = value[part]
    return value


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


def parse_fsd(fsd_string: str) -> float:
    """Seconds of a Flux Standard Duration (RFC 23). Raises ValueError."""
    try:
        return _fsd.parse(fsd_string)
    except ValueError as exc:
        reason = str(exc).removeprefix("fsd: ")
        raise ValueError(f"invalid Flux standard duration: {reason}") from None


def fsd(secs: float) -> str:
    """A duration for people: ``0.500s``, ``1.083m``, ``1h``; ``0s`` below a millisecond."""
    return duration(secs)


class Fileref(dict[str, Any]):
    """A file for a job (RFC 37), a dictionary.

    ``data``: an object that becomes JSON; or the content, if its ``encoding`` (utf-8, base64) is given; or
    else the name of a local file, whose mode is kept. Raises ValueError and OSError.
    """

    def __init__(self, data: Any, perms: int = 0o600, encoding: str | None = None) -> None:
        if encoding is None and not isinstance(data, dict):
            super().__init__(local_file(data))
            return
        if encoding not in (None, "utf-8", "base64"):
            raise ValueError(f"invalid encoding: {encoding}")
        super().__init__(file_entry(data, perms, encoding))


def parse_datetime(string: str, now: datetime | None = None) -> datetime:
    """A time as commands take it: ``now``, ``+1h``, ``2026-01-31 12:00``, ``tomorrow``. Raises ValueError."""
    from rosin.cli.when import parse_time

    return datetime.fromtimestamp(parse_time(string, now.timestamp() if now else None)).astimezone()
