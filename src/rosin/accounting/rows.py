# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the accounting database has rows of, and which values they may have (pure)."""

from __future__ import annotations

import math
import re
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

from rosin.errors import FormatError, did_you_mean
from rosin.rfc.payload import describe

_MAX = 2**31 - 1
_NAME = re.compile(r"[^\s,/\"'|\x00-\x1f]{1,64}")


@dataclass(slots=True, frozen=True)
class Bank:
    """A bank: something with shares that users, or other banks, use. The one without parent is above all."""

    TABLE: ClassVar = "bank"
    KEY: ClassVar = ("bank",)

    bank: str
    parent: str = ""
    shares: int = 1
    priority: float = 0.0
    active: bool = True


@dataclass(slots=True, frozen=True)
class Association:
    """A user in a bank. A limit of None is none; ``queues`` separated by commas, empty for all.

    ``max_running_jobs`` counts jobs that run or that the scheduler may start, ``max_nodes`` and ``max_cores``
    what these have, and ``max_active_jobs`` all that are not over.
    """

    TABLE: ClassVar = "user"
    KEY: ClassVar = ("userid", "bank")

    userid: int
    bank: str
    username: str
    default: bool = False
    shares: int = 1
    max_running_jobs: int | None = None
    max_active_jobs: int | None = None
    max_nodes: int | None = None
    max_cores: int | None = None
    queues: str = ""
    active: bool = True


@dataclass(slots=True, frozen=True)
class QueueAccount:
    """What a queue counts for, and what each association may have of it."""

    TABLE: ClassVar = "queue"
    KEY: ClassVar = ("queue",)

    queue: str
    priority: int = 0
    max_running_jobs: int | None = None
    max_nodes: int | None = None


@dataclass(slots=True, frozen=True)
class Factor:
    """How much something counts, by its name."""

    TABLE: ClassVar = "factor"
    KEY: ClassVar = ("factor",)

    factor: str
    weight: float


Row = Bank | Association | QueueAccount | Factor
R = TypeVar("R", bound=Row)

TABLES: dict[str, type[Row]] = {cls.TABLE: cls for cls in (Bank, Association, QueueAccount, Factor)}
#: Factors and what they are at first: of priorities, of usage, and of its decay (in seconds).
FACTORS = {
    "fairshare": 100_000.0,
    "queue": 10_000.0,
    "bank": 0.0,
    "urgency": 1000.0,
    "node": 1.0,
    "core": 0.0,
    "gpu": 0.0,
    "half-life": 604_800.0,
}


def key_of(row: Row) -> tuple[Any, ...]:
    """What identifies *row* in its table."""
    return tuple(getattr(row, name) for name in row.KEY)


def make(cls: type[R], values: dict[str, Any]) -> R:
    """A row of *values*. Raises FormatError that names the one at fault."""
    return changed(None, cls, values)


def changed(row: R | None, cls: type[R], values: dict[str, Any]) -> R:
    """*row* with other *values*, or a new one. Raises FormatError that names the one at fault."""
    kinds = {field.name: str(field.type) for field in fields(cls)}
    for name, value in values.items():
        if name not in kinds:
            hint = did_you_mean(name[:64], kinds) or f"; known: {', '.join(kinds)}"
            raise FormatError(f"{describe(name)}: there is no such field of a {cls.TABLE}{hint}")
        if row is not None and name in cls.KEY:
            raise FormatError(f"{name}: it identifies the {cls.TABLE} and cannot be changed")
        _check(name, kinds[name], value)
    try:
        return cls(**values) if row is None else replace(row, **values)
    except TypeError:
        missing = [
            field.name for field in fields(cls) if field.name not in values and field.default is MISSING
        ]
        raise FormatError(f"{missing[0].replace('_', '-')}: missing") from None


def _check(name: str, kind: str, value: Any) -> None:
    shown = name.replace("_", "-")
    if value is None and kind.endswith("| None"):
        return
    if kind.startswith("int"):
        most = 2**32 - 2 if name == "userid" else _MAX
        least = -_MAX if name == "priority" else 0
        if type(value) is not int or not least <= value <= most:
            raise FormatError(f"{shown}: expected a number from {least} to {most}, got {describe(value)}")
    elif kind == "float":
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise FormatError(f"{shown}: expected a number, got {describe(value)}")
        if name == "weight" and value < 0:
            raise FormatError(f"{shown}: expected a number of 0 or more, got {describe(value)}")
    elif kind == "bool":
        if type(value) is not bool:
            raise FormatError(f"{shown}: expected true or false, got {describe(value)}")
    elif not isinstance(value, str) or not _is_text(name, value):
        raise FormatError(
            f"{shown}: expected a name without blanks, of up to 64 characters, got {describe(value)}"
        )


def _is_text(name: str, value: str) -> bool:
    if name == "parent" and not value:
        return True
    names = value.split(",") if name == "queues" and value else [] if name == "queues" else [value]
    return len(value) <= 4096 and all(_NAME.fullmatch(one) for one in names)
