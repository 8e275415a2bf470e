# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.testing.fake_resources: resources that there are not, for instances that try things out."""

from __future__ import annotations

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import flux
import flux.kvs
from flux.idset import IDset
from flux.importer import import_path
from rosin.errors import FormatError
from rosin.resource.hwloc import decode
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet

__all__ = [
    "FakeResources",
    "InjectFakeResources",
    "build_R_encode_args",
    "load_amender",
    "saturation_count",
]

_R = dict[str, Any]
_Amender = Callable[..., _R]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def load_amender(spec: str) -> _Amender:
    """The function ``MODULE:FUNCTION``, or ``amend`` of a Python file. Raises RuntimeError."""
    name, colon, attribute = spec.partition(":")
    try:
        if colon:
            module, where = import_module(name), f"module {name!r}"
        else:
            path, attribute = os.path.expanduser(spec), "amend"
            if not os.path.isfile(path):
                raise RuntimeError(f"[fake-resources] amend-r: file not found: {path!r}")
            module, where = import_path(path), f"file {path!r}"
    except RuntimeError:
        raise
    except Exception as exc:
        what = f"import module {name!r}" if colon else f"load {spec!r}"
        raise RuntimeError(f"[fake-resources] amend-r: failed to {what}: {exc}") from exc
    found: _Amender | None = getattr(module, attribute, None)
    if found is None:
        raise RuntimeError(f"[fake-resources] amend-r: {where} has no attribute {attribute!r}")
    return found


def saturation_count(
    nodes: int, cores_per_node: int, gpus_per_node: int, slot_cores: int = 1, slot_gpus: int = 0
) -> int:
    """How many slots fit on equal nodes. Raises ValueError for a slot of nothing."""
    if slot_cores < 1 and slot_gpus < 1:
        raise ValueError("slot_cores or slot_gpus must be positive")
    fits = cores_per_node // max(slot_cores, 1)
    return nodes * (min(fits, gpus_per_node // slot_gpus) if slot_gpus else fits)


class FakeResources(ABC):
    """Equal nodes with cores and GPUs; a subclass says how an instance gets them (:meth:`install`).

    ``amender(R, hwloc_xml=...)`` may change R, or return another; a text is taken by :func:`load_amender`.
    """

    def __init__(
        self,
        nodes: int,
        cores_per_node: int = 1,
        gpus_per_node: int = 0,
        host_prefix: str = "fake",
        amender: _Amender | str | None = None,
    ) -> None:
        self.nodes = nodes
        self.cores_per_node = cores_per_node
        self.gpus_per_node = gpus_per_node
        self.host_prefix = host_prefix
        self.amender = load_amender(amender) if isinstance(amender, str) else amender

    @property
    def total_cores(self) -> int:
        """The cores of all nodes."""
        return self.nodes * self.cores_per_node

    @property
    def total_gpus(self) -> int:
        """The GPUs of all nodes."""
        return self.nodes * self.gpus_per_node

    @abstractmethod
    def install(self) -> None:
        """Give them to an instance."""

    def saturation_count(self, slot_cores: int = 1, slot_gpus: int = 0) -> int:
        """How many slots fit. Raises ValueError for a slot of nothing."""
        return saturation_count(self.nodes, self.cores_per_node, self.gpus_per_node, slot_cores, slot_gpus)

    def amend_R(self, R: _R, hwloc_xml: str | None = None) -> _R:
        """R as the amender changes it."""
        return R if self.amender is None else self.amender(R, hwloc_xml=hwloc_xml)


def _range(count: int) -> str:
    return str(IDset(list(range(count))))


def build_R_encode_args(fr: FakeResources) -> list[str]:
    """The command ``flux R encode`` that prints R of resources."""
    words = [
        f"-r{_range(fr.nodes)}",
        f"-H{fr.host_prefix}[0-{fr.nodes - 1}]",
        "-c",
        _range(fr.cores_per_node),
    ]
    return [
        "flux",
        "R",
        "encode",
        *words,
        *(["-g", _range(fr.gpus_per_node)] if fr.gpus_per_node > 0 else []),
    ]


class InjectFakeResources(FakeResources):
    """Puts R into the KVS (``resource.R``), where the resource module of an instance that starts finds it.

    ``hwloc_xml_path``: each node is the machine of this hwloc XML. ``log`` is told what is done, with all
    steps if ``verbose``; by default it prints to standard error.
    """

    def __init__(
        self,
        nodes: int,
        cores_per_node: int = 1,
        gpus_per_node: int = 0,
        host_prefix: str = "fake",
        hwloc_xml_path: str | None = None,
        verbose: bool = False,
        log: Callable[[str], Any] | None = None,
        amender: _Amender | str | None = None,
    ) -> None:
        super().__init__(nodes, cores_per_node, gpus_per_node, host_prefix, amender)
        self.hwloc_xml_path = hwloc_xml_path
        self.verbose = verbose
        self.log = _say if log is None else log

    def install(self, handle: Any = None) -> None:
        """Put R into the KVS, by a new connection without ``handle``. Raises OSError, RuntimeError."""
        xml = Path(self.hwloc_xml_path).read_text(encoding="utf-8") if self.hwloc_xml_path else None
        if xml is None:
            counts = f"{self.cores_per_node} cores/node, {self.gpus_per_node} GPUs/node"
            self.log(f"Encoding fake R: {self.nodes} nodes, {counts}")
        R = self.amend_R(self._encode(xml), hwloc_xml=xml)
        handle = flux.Flux() if handle is None else handle
        if self.verbose:
            self.log("+ kvs put resource.R")
        flux.kvs.put(handle, "resource.R", json.dumps(R).encode(), raw=True)
        flux.kvs.commit(handle)
        self.log("Fake resources injected.")

    def _encode(self, xml: str | None) -> _R:
        cores, gpus = self.cores_per_node, self.gpus_per_node
        if xml is not None:
            try:
                children = decode(xml, 0)["execution"]["R_lite"][0]["children"]
            except FormatError as exc:
                raise RuntimeError(f"{self.hwloc_xml_path}: {exc}") from None
            cores, gpus = (len(Idset(children.get(kind, ""))) for kind in ("core", "gpu"))
        rset = ResourceSet()
        for rank in range(self.nodes):
            rset.add_rank(rank, f"{self.host_prefix}{rank}", (1 << cores) - 1, (1 << gpus) - 1)
        return rset.encode()
