# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[ingest.validator.require-instance]``: large jobs, or all, have to be instances of their own.

So the jobs of a workflow are submitted to the instance that it is, and not to the system's.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.settings import Table
from rosin.errors import FormatError
from rosin.rfc.jobspec.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPTION = "--require-instance-"
_KEYS = ("minnodes", "mincores")
#: The arguments of the validator that are for this check.
OPTIONS = tuple(f"{_OPTION}{key}=N" for key in _KEYS)
#: Cores of a node, where the configuration speaks of nodes alone: a job of cores must not slip through.
_CORES_PER_NODE = 16
_PROGRAMS = ("flux", "rosin")


def is_argument(text: str) -> bool:
    """Whether an argument of the validator is for this check."""
    return text.startswith(_OPTION)


def argument(text: str) -> tuple[str, int]:
    """The key and the number of ``--require-instance-minnodes=N``. Raises FormatError."""
    key, _, number = text.removeprefix(_OPTION).partition("=")
    if key not in _KEYS or not (number.isascii() and number.isdigit()):
        raise FormatError(f"{text!r}: expected {' or '.join(OPTIONS)}")
    return key, int(number)


class RequireInstance(NamedTuple):
    """Jobs of so many nodes or cores, 0: all that ask for any, have to be instances."""

    minnodes: int
    mincores: int

    @classmethod
    def parse(cls, config: dict[str, Any], given: Mapping[str, int]) -> RequireInstance:
        """Read the table; arguments, ``given``, win over it. Raises FormatError that names the key."""
        table = Table(config, "ingest.validator.require-instance", _KEYS)
        numbers = {key: table.get(key, int, 0) for key in _KEYS} | dict(given)
        for key, number in numbers.items():
            if number < 0:
                raise FormatError(f"ingest.validator.require-instance.{key}: expected a number >= 0")
        if numbers["minnodes"] and not numbers["mincores"]:
            numbers["mincores"] = _CORES_PER_NODE * numbers["minnodes"]
        return cls(**numbers)

    def check(self, jobspec: dict[str, Any]) -> None:
        """Refuse a valid jobspec of a job that should be an instance. Raises OSError EINVAL."""
        if self._is_small(jobspec) or _is_instance(jobspec):
            return
        limits = [(self.minnodes, "nodes"), (self.mincores, "cores")]
        which = " or ".join(f"{number} {what}" for number, what in limits if number)
        text = f"for jobs >= {which}" if which else "for all jobs in this instance"
        how = "Please use flux-batch(1) or flux-alloc(1)"
        raise OSError(errno.EINVAL, f"Direct job submission disabled {text}. {how}")

    def _is_small(self, jobspec: dict[str, Any]) -> bool:
        types = Totals(jobspec).types
        for kind, least in (("node", self.minnodes), ("core", self.mincores)):
            if kind in types:
                most = types[kind][1]
                if most is None or most >= least:
                    return False
        return True


def _is_instance(jobspec: dict[str, Any]) -> bool:
    """Whether the job says so, or its command starts a broker."""
    if "batch" in jobspec["attributes"]["system"]:
        return True
    program, *words = jobspec["tasks"][0]["command"]
    return os.path.basename(program) in _PROGRAMS and words[:1] in (["broker"], ["start"])
