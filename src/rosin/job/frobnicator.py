# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins that change jobs as they are submitted, with flux-core's interface (``flux.job.frobnicator``).

A file with a class ``Frobnicator`` that derives from :class:`FrobnicatorPlugin` is one. ``rosin
job-frobnicator`` runs them; job-ingest has processes of it for those that
``ingest.frobnicator.plugins`` names.
"""

from __future__ import annotations

import os
import sys
import traceback
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rosin.handle.flux import Flux
from rosin.job.plugin_file import called, load_all, one_line, read_line
from rosin.job.spec import Jobspec
from rosin.rfc.queues import QueueConfig
from rosin.rfc.queues.additions import Additions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


class FrobnicatorPlugin:
    """What changes jobs. Derive ``Frobnicator`` from it."""

    def __init__(self, parser: argparse._ArgumentGroup) -> None:
        """Add options to *parser*; they are set by ``ingest.frobnicator.args``."""

    def configure(self, args: argparse.Namespace, config: Mapping[str, Any]) -> None:
        """Take the values of all options, and the broker's configuration. Raises ValueError."""

    @abstractmethod
    def frob(self, jobspec: Any, userid: int, urgency: int, flags: int | None) -> None:
        """Change *jobspec*, a :class:`rosin.job.spec.Jobspec`, or raise, which refuses the job."""
        raise NotImplementedError


class _Policy(FrobnicatorPlugin):
    part = ""

    def configure(self, args: argparse.Namespace, config: Mapping[str, Any]) -> None:
        self._additions = Additions(QueueConfig(dict(config)), (self.part,))

    def frob(self, jobspec: Any, userid: int, urgency: int, flags: int | None) -> None:
        jobspec.jobspec = self._additions.apply(jobspec.jobspec)


class _Defaults(_Policy):
    """fill in the attributes that the configuration has defaults for"""

    part = "defaults"


class _Constraints(_Policy):
    """add the properties that the job's queue requires to its constraints"""

    part = "constraints"


class JobFrobnicator:
    """The plugins that a command line names, by ``--plugins=NAME[,NAME...]``, in this order.

    *parser* is one to which the options are added. ``plugins`` has the classes by name.
    """

    default_frobnicators: ClassVar[list[str]] = ["defaults", "constraints"]
    plugin_namespace = "flux.job.frobnicator.plugins"

    def __init__(
        self,
        argv: Sequence[str],
        pluginpath: Any = None,
        parser: argparse.ArgumentParser | None = None,
    ) -> None:
        from argparse import ArgumentParser

        self.parser = ArgumentParser(add_help=False) if parser is None else parser
        read = read_line(self.parser, "Options", argv, self.default_frobnicators)
        self.plugins_group, self.args, self.remaining_args = read
        self.plugins: dict[str, type[Any]] = {"defaults": _Defaults, "constraints": _Constraints}
        self.frobnicators: list[tuple[str, Any]] = []
        self.config: dict[str, Any] = {}

    def start(self) -> Self:
        """Ask for the configuration, load and configure the plugins. Raises ValueError, OSError."""
        self.frobnicators += load_all(self.args.plugins, self.plugins, "Frobnicator", self.plugins_group)
        args = self.parser.parse_args(self.remaining_args)
        self.config = Flux().rpc("config.get").get()
        for name, plugin in self.frobnicators:
            called(name, lambda plugin=plugin: plugin.configure(args, config=self.config))
        return self

    def frob(
        self, jobspec: Any, user: int | None = None, flags: int | None = None, urgency: int = 16
    ) -> dict[str, Any]:
        """Let all plugins change *jobspec*. Returns ``errnum`` 0 and ``data``; raises ValueError."""
        if not isinstance(jobspec, Jobspec):
            raise ValueError(f"expected a Jobspec, got {type(jobspec).__name__}")
        userid = os.getuid() if user is None else user
        for name, plugin in self.frobnicators:
            try:
                plugin.frob(jobspec, userid, urgency, flags)
            except (ValueError, TypeError, OSError) as error:
                raise ValueError(" ".join(str(error).split()) or f"{name}: {type(error).__name__}") from error
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                raise ValueError(f"{name}: {one_line(error)}") from error
        return {"errnum": 0, "data": jobspec}
