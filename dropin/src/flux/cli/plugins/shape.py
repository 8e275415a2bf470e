# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.plugins.shape: resources by their shape (RFC 46) or as JSON."""

from __future__ import annotations

import json
from typing import Any

from flux.cli.plugin import CLIPlugin
from flux.shape.parser import ShapeParser

__all__ = ["ShapePlugin"]


class ShapePlugin(CLIPlugin):
    """``--resources-shape=SHAPE`` and ``--resources-json=FILE``, in place of all other options of resources.

    The commands have these options without it; it is for programs that have plugins alone.
    """

    def __init__(self, prog: str, prefix: str = "resources") -> None:
        super().__init__(prog, prefix=prefix)
        self.add_option("--shape", metavar="SHAPE", help="an RFC 46 shape, as in slot=2/core=4")
        self.add_option("--json", metavar="FILE", help="a file with the resources of a jobspec")

    def preinit(self, args: Any) -> None:
        if getattr(args, "shape", None) or getattr(args, "json", None):
            args.nodes = 1  # commands want some number; it is replaced

    def modify_jobspec(self, args: Any, jobspec: Any) -> None:
        shape, path = getattr(args, "shape", None), getattr(args, "json", None)
        if shape and path:
            raise ValueError(
                "--resources-shape and --resources-json are mutually exclusive: give the resources once"
            )
        if shape:
            jobspec.jobspec["resources"] = ShapeParser().parse(shape)
        elif path:
            with open(path, encoding="utf-8") as stream:
                found = json.load(stream)
            jobspec.jobspec["resources"] = found["resources"] if isinstance(found, dict) else found
