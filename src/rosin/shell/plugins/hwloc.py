# SPDX-License-Identifier: LGPL-3.0-or-later
"""The ``hwloc`` option: tasks read what the machine is from a file (``HWLOC_XMLFILE``), instead of looking at
it each for itself: all of it, or with ``hwloc.restrict`` what the job has of it.
"""

from __future__ import annotations

import os

from rosin.errors import FormatError
from rosin.shell import affinity
from rosin.shell.errors import ShellError
from rosin.shell.plugins.api import ShellPlugin

_NAME = "hwloc.xml"


class Hwloc(ShellPlugin):
    """Asks the broker for the machine as XML, once for all tasks."""

    name = "hwloc"

    def shell_post_init(self) -> None:
        options = self.shell.info.options
        restricted = options.flag("hwloc.restrict")
        if not options.flag("hwloc.xmlfile"):
            return
        try:
            xml = self.shell.h.rpc("resource.topo-get").get_raw().removesuffix(b"\0")
            if restricted:
                xml = self._restrict(xml)
        except (OSError, FormatError) as error:
            raise ShellError(f"hwloc.xmlfile: the machine is unknown: {_reason(error)}") from None
        path = os.path.join(self.shell.info.tmpdir or "/tmp", _NAME)
        self.shell.log.debug(f"Writing {len(xml)} bytes to HWLOC_XMLFILE={path}", self.name)
        try:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
            with os.fdopen(fd, "wb") as file:
                file.write(xml)
        except OSError as error:
            raise ShellError(f"hwloc.xmlfile: {path}: {error.strerror}") from None
        env = self.shell.environment
        env.setdefault("HWLOC_XMLFILE", path)
        env.pop("HWLOC_COMPONENTS", None)  # with it the file would be ignored

    def _restrict(self, xml: bytes) -> bytes:
        from rosin.resource import hwloc  # few jobs ask for it, and its parser is large

        cores = self.shell.info.node.cores
        units = affinity.cpus_of(cores, affinity.topology())
        if units is None:
            raise FormatError(f"there are no cores {cores}")
        return hwloc.restrict(xml, units)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
