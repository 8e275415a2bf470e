# SPDX-License-Identifier: LGPL-3.0-or-later
"""Large jobs, or all, have to be instances of their own (``ingest.validator.require-instance``)."""

from __future__ import annotations

import errno
import os
from typing import Any

from flux.job import JobspecV1
from flux.job.validator import ValidatorPlugin

#: Cores of a node, where nodes alone are limited: a job of cores must not slip through.
_CORES_PER_NODE = 16
_PROGRAMS = ("flux", "rosin")


class JobSize:
    """The nodes and cores of a job, or from how many on it has to be an instance; 0: however many."""

    def __init__(self, nnodes: int | None = 0, ncores: int | None = 0) -> None:
        self.nnodes = nnodes
        self.ncores = ncores

    @classmethod
    def from_jobspec(cls, jobspec: dict[str, Any]) -> JobSize:
        """What a job asks for, None for what it does not name."""
        counts = JobspecV1(**jobspec).resource_counts()
        return cls(counts.get("node"), counts.get("core"))

    def ignore_by_size(self, jobspec: dict[str, Any]) -> bool:
        """Whether a job is small enough."""
        size = JobSize.from_jobspec(jobspec)
        pairs = ((size.nnodes, self.nnodes), (size.ncores, self.ncores))
        return not any(asked is not None and asked >= (least or 0) for asked, least in pairs)

    def configured(self) -> bool:
        """Whether there is a limit."""
        return bool(self.nnodes or self.ncores)

    @property
    def errstr(self) -> str:
        """Why a job is refused."""
        limits = [(self.nnodes, "nodes"), (self.ncores, "cores")]
        which = " or ".join(f"{number} {what}" for number, what in limits if number)
        text = f"for jobs >= {which}" if which else "for all jobs in this instance"
        return f"Direct job submission disabled {text}. Please use flux-batch(1) or flux-alloc(1)"


class Validator(ValidatorPlugin):
    """Takes a job that is large only if it says that it is an instance, or if its command starts one."""

    def __init__(self, parser: Any) -> None:
        super().__init__(parser)
        for what, kind in (("minnodes", "nodes"), ("mincores", "cores")):
            parser.add_argument(
                f"--require-instance-{what}",
                metavar="N",
                type=int,
                default=-1,
                help=f"jobs of so many {kind} have to be instances (default: 0)",
            )

    def configure(self, args: Any) -> None:
        numbers = []
        for what in ("minnodes", "mincores"):
            given = getattr(args, f"require_instance_{what}")
            key = f"ingest.validator.require-instance.{what}"
            numbers.append(given if given >= 0 else self.flux.conf_get(key, 0))
        nodes, cores = numbers
        self.minsize = JobSize(nodes, cores or _CORES_PER_NODE * nodes)

    def validate(self, args: Any) -> tuple[int, str] | None:
        if self.minsize.ignore_by_size(args.jobspec) or "batch" in args.jobspec["attributes"]["system"]:
            return None
        program, *words = args.jobspec["tasks"][0]["command"]
        if os.path.basename(program) in _PROGRAMS and words[:1] in (["broker"], ["start"]):
            return None
        return (errno.EINVAL, self.minsize.errstr)
