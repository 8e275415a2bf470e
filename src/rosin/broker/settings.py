# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tables of the configuration, as services read them into their settings.

A service has one class of settings: a NamedTuple with ``parse(config, arguments)``, which its start and
``config-reload`` call alike. What is wrong raises FormatError, one line: ``table.key: expected X, got Y``.
"""

from __future__ import annotations

import math
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.errors import FormatError, did_you_mean
from rosin.rfc import fsd
from rosin.rfc.payload import describe, type_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    #: A configuration object, or values by the names of arguments.
    Config = Mapping[str, Any]

#: What a module has that was loaded without any.
NO_ARGUMENTS: Config = MappingProxyType({})
#: What is expected, in texts.
_DURATION = 'a duration, such as "10s"'


class Table:
    """One table of a configuration; a dotted *name* is a table within tables, one that is missing is empty.

    Raises FormatError where it is no table, or has keys besides those that are *known*.
    """

    __slots__ = ("name", "values")

    def __init__(self, config: Mapping[str, Any], name: str, known: Collection[str] = ()) -> None:
        self.name = name
        self.values: Mapping[str, Any] = config
        place = ""
        for step in name.split("."):
            place = f"{place}.{step}" if place else step
            self.values = self.values.get(step, {})
            if not isinstance(self.values, dict):
                raise FormatError(f"{place}: expected a table, got {describe(self.values)}")
        for key in self.values if known else ():
            if key not in known:
                hint = did_you_mean(key[:64], known) or f"; known: {', '.join(known)}"
                shown = key if key.isprintable() and len(key) <= 64 else describe(key)
                raise FormatError(f"{name}.{shown}: unknown key{hint}")

    def wrong(self, key: str, expected: str, value: object) -> FormatError:
        """The error for a value of *key*."""
        return FormatError(f"{self.name}.{key}: expected {expected}, got {describe(value)}")

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of *key*, checked to be of a type that TOML yields."""
        value = self.values.get(key, default)
        if key in self.values and (not isinstance(value, kind) or isinstance(value, bool) != (kind is bool)):
            raise self.wrong(key, type_name(kind), value)
        return value

    def integer(self, key: str, default: int, low: int, high: int | None = None) -> int:
        """A number of *low* or more, at most *high*."""
        number: int = self.get(key, int, default)
        if number < low or (high is not None and number > high):
            raise self.wrong(key, f"{low} or more" if high is None else f"{low} to {high}", number)
        return number

    def seconds(self, key: str, default: float, *, positive: bool = False, finite: bool = False) -> float:
        """The seconds of a Flux standard duration (RFC 23): 0 or more unless it is *positive*."""
        if key not in self.values:
            return default
        text = self.get(key, str)
        try:
            seconds = fsd.parse(text)
        except FormatError:
            raise self.wrong(key, _DURATION, text) from None
        if (positive and seconds == 0) or (finite and math.isinf(seconds)):
            raise self.wrong(key, 'a duration above 0, such as "10s"' if positive else _DURATION, text)
        return seconds

    def choice(self, key: str, default: str, names: Iterable[str]) -> str:
        """One of some *names*, in capitals or not."""
        name: str = self.get(key, str, default).upper()
        if name not in names:
            raise self.wrong(key, f"one of {', '.join(names)}", name)
        return name


def differing(before: Mapping[str, Any], after: Mapping[str, Any], places: Iterable[str]) -> list[str]:
    """Those of *places*, dotted names of tables and keys, where two configurations are not the same.

    ``*`` is any name.
    """
    return [place for place in places if _at(before, place) != _at(after, place)]


def _at(config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """What there is at a place, by name."""
    found: dict[str, Any] = {"": config}
    for step in place.split("."):
        found = {
            f"{name}.{key}": value[key]
            for name, value in found.items()
            if isinstance(value, dict)
            for key in (value if step == "*" else (step,))
            if key in value
        }
    return found


class KeepSettings(NamedTuple):
    """``[exec] keep-timeout``: how long job shells outlive a broker that does not come back, in seconds."""

    timeout: float = 600.0

    @classmethod
    def parse(cls, config: Config, _arguments: Config = NO_ARGUMENTS) -> KeepSettings:
        """Read it; 0 is ``none``. Raises FormatError that names the key."""
        table = Table(config, "exec")
        if table.values.get("keep-timeout") == "none":
            return cls(0.0)
        return cls(table.seconds("keep-timeout", cls().timeout, finite=True))

    def applies(self, attrs: Mapping[str, str]) -> bool:
        """Whether shells are kept by a broker with these attributes: its directories have to be there again
        for the next one. A launcher (``rosin start -s N``) removes them at its end."""
        if "FLUX_START_URI" in os.environ:
            return False
        kept = ("rundir",) if attrs.get("rank", "0") != "0" else ("rundir", "statedir")
        return self.timeout > 0 and all(attrs.get(f"{name}-cleanup", "1") == "0" for name in kept)


class AccessSettings(NamedTuple):
    """``[access]`` (flux-config-access): who may do what, as far as brokers and services decide it."""

    allow_guest_user: bool
    allow_root_owner: bool
    private_mode: bool

    @classmethod
    def parse(cls, config: Config, _arguments: Config = NO_ARGUMENTS) -> AccessSettings:
        """Read them. Raises FormatError that names the key."""
        table = Table(config, "access")
        return cls(*(table.get(name.replace("_", "-"), bool, False) for name in cls._fields))
