# SPDX-License-Identifier: LGPL-3.0-or-later
"""Comparing what a machine has with what R says it has (flux-config-resource, key ``verify``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.idset import Idset

if TYPE_CHECKING:
    from rosin.rfc.rset import ResourceSet

MODES = ("strict", "allow-extra", "allow-missing", "ignore")
_TYPES = ("default", "hostname", "core", "gpu")

#: Without configuration: a machine may have more than R says, and GPUs are not looked at.
_USUAL = {"default": "allow-extra", "gpu": "ignore", "hostname": "strict"}


class Verification:
    """How strict the comparison is, per type of resource.

    ``Verification(None)`` is the usual one, ``True`` is strict, ``False`` ignores everything, a table maps
    ``default``, ``hostname``, ``core`` and ``gpu`` to one of ``MODES``. Raises FormatError.

    Attributes:
        wanted: it was asked for, and so holds for what the enclosing instance gives, too.
    """

    __slots__ = ("_modes", "wanted")

    def __init__(self, table: dict[str, Any] | bool | None) -> None:
        self.wanted = table is not None
        if table is None:
            self._modes = _USUAL
        elif isinstance(table, bool):
            self._modes = {"default": "strict" if table else "ignore"}
        else:
            self._modes = {"default": "strict"}
            for key, mode in table.items():
                if key not in _TYPES:
                    raise FormatError(f"verify: unsupported resource type: {key}")
                if mode not in MODES:
                    raise FormatError(f"verify.{key}: unknown verify mode '{mode}': use {', '.join(MODES)}")
                self._modes[key] = mode

    def _mode(self, kind: str) -> str:
        return self._modes.get(kind, self._modes["default"])

    def concerns(self, method: str) -> bool:
        """Whether resources that were found by a method (RFC 44) are compared at all.

        What an enclosing instance gives has been verified there, and may be made up.
        """
        return self.wanted or method != "job-info"

    def check(self, expected: ResourceSet, actual: ResourceSet, rank: int) -> str | None:
        """Return what is wrong with a rank in one line, or None."""
        if rank not in expected:
            return f"rank {rank} not found in expected ranks"
        host, wanted = actual.host(rank) or "unknown", expected.host(rank) or "unknown"
        if self._mode("hostname") == "strict" and host != wanted:
            return f"rank {rank} got hostname '{host}', expected '{wanted}'"
        missing, extra = [], []
        for kind, want, have in (
            ("core", expected.core_mask(rank), actual.core_mask(rank)),
            ("gpu", expected.gpu_mask(rank), actual.gpu_mask(rank)),
        ):
            mode = self._mode(kind)
            if want & ~have and mode in ("strict", "allow-extra"):
                missing.append(_named(kind, want & ~have))
            if have & ~want and mode in ("strict", "allow-missing"):
                extra.append(_named(kind, have & ~want))
        if missing:
            return f"rank {rank} ({host}) missing resources: {','.join(missing)}"
        if extra:
            return f"rank {rank} ({host}) has extra resources: {','.join(extra)}"
        return None


def _named(kind: str, mask: int) -> str:
    return f"{kind}{Idset.from_mask(mask).encode(brackets=True)}"
