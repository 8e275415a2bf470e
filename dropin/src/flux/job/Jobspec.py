# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.Jobspec: jobspecs that take the options of the submission commands."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from flux._elsewhere import elsewhere
from flux.job._utils import normalize_conf
from rosin.job import spec_v1
from rosin.job.spec import Jobspec
from rosin.job.spec_v1 import validate_counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Jobspec", "JobspecV1", "validate_counts", "validate_jobspec"]

__getattr__ = elsewhere(__name__)

#: What :meth:`JobspecV1.apply_options` takes of a namespace, also as commands name it.
_OPTIONS = ["signal", "taskmap", "dependency", "requires", "setopt", "setattr", "add_file", "env", "rlimit"]


class JobspecV1(spec_v1.JobspecV1):
    """A jobspec of version 1 (RFC 25)."""

    def apply_options(
        self,
        args: Any = None,
        *,
        prog: str | None = None,
        _preinit: bool = True,
        env: Sequence[str] | None = None,
        rlimit: Sequence[str] | None = None,
        signal: str | None = None,
        taskmap: str | None = None,
        dependency: Sequence[str] | None = None,
        requires: Sequence[str] | None = None,
        shell_options: Mapping[str, Any] | None = None,
        time_limit: str | float | None = None,
        attributes: Mapping[str, Any] | None = None,
        add_file: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Set options as ``flux submit`` takes them; returns self. Those that are None change nothing.

        Args:
            args: a namespace with options, of which the keywords that are given override some.
            prog: the command whose plugins take part (``FLUX_CLI_PLUGINPATH``); their options are keywords.
            env: rules of ``--env``; ``[]`` is the whole environment of this process.
            rlimit: rules of ``--rlimit``; ``[]`` are the usual limits.
            signal: ``[SIG][@TIME]``.
            taskmap: ``SCHEME[:VALUE]``.
            dependency: URIs, a single one may be a text.
            requires: constraints, all of which must hold; a single one may be a text.
            shell_options, attributes: values by dotted names; attributes are below ``system.`` unless
                ``user.``, ``system.``, ``attributes.`` or a dot leads.
            time_limit: seconds, or a Flux Standard Duration.
            add_file: ``[NAME[:PERMS]=]DATA`` each.

        Raises ValueError, OSError, and TypeError for unknown options.
        """
        from rosin.cli import plugins as cli_plugins
        from rosin.cli import submission
        from rosin.cli.environment import job_environment, job_rlimits

        plugins = cli_plugins.of(f"flux-{prog}") if prog else None
        own = plugins.defaults if plugins is not None else {}
        kwargs, theirs = (
            {name: value for name, value in kwargs.items() if name not in own},
            {**own, **{name: value for name, value in kwargs.items() if name in own}},
        )
        if kwargs:
            names = ", ".join(repr(name) for name in sorted(kwargs))
            raise TypeError(f"apply_options() got unexpected keyword argument(s): {names}")
        given = {
            "env": _list(env),
            "rlimit": _list(rlimit),
            "signal": signal,
            "taskmap": taskmap,
            "dependency": _list(dependency),
            "requires": _list(requires),
            "time_limit": time_limit,
            "shell_options": shell_options,
            "attributes": attributes,
            "add_file": add_file,
        }
        options = SimpleNamespace(**{**dict.fromkeys([*_OPTIONS, *given]), **(vars(args) if args else {})})
        vars(options).update((name, value) for name, value in given.items() if value is not None)
        if env is not None or args is not None:
            submission.set_environment(self.jobspec, job_environment(options.env))
        if rlimit is not None or args is not None:
            limits = job_rlimits(options.rlimit)
            if limits:
                self.setattr_shell_option("rlimit", limits)
        submission.set_options(self.jobspec, options)
        for name, value in (options.shell_options or {}).items():
            self.setattr_shell_option(name, value)
        if options.time_limit is not None:
            self.duration = _seconds(options.time_limit)
        for name, value in (options.attributes or {}).items():
            submission.set_attribute(self.jobspec, name, value)
        if plugins is not None:
            seen = SimpleNamespace(**{**theirs, **vars(options)})
            if _preinit:
                plugins.preinit(seen)
            plugins.modify(seen, self.jobspec)
        return self

    @classmethod
    def from_submit(
        cls,
        command: Sequence[str],
        *,
        ntasks: int = 1,
        nodes: int | None = None,
        cores_per_task: int = 1,
        gpus_per_task: int | None = None,
        exclusive: bool = False,
        name: str | None = None,
        queue: str | None = None,
        bank: str | None = None,
        cwd: str | None = None,
        output: str | None = None,
        error: str | None = None,
        input: str | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of a command; further keywords are those of :meth:`apply_options`."""
        new = cls.from_command(
            command,
            ntasks,
            cores_per_task,
            gpus_per_task,
            nodes,
            exclusive,
            name=name,
            queue=queue,
            bank=bank,
            cwd=cwd,
            output=output,
            error=error,
            input=input,
            label_io=label_io,
            unbuffered=unbuffered,
        )
        return new.apply_options(**{"prog": "submit", "env": [], "rlimit": [], **kwargs})

    @classmethod
    def from_alloc(
        cls,
        *,
        nslots: int | None = None,
        nodes: int | None = None,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        exclusive: bool = False,
        broker_opts: Iterable[str] | None = None,
        conf: Any = None,
        bg: bool = False,
        name: str | None = None,
        queue: str | None = None,
        bank: str | None = None,
        cwd: str | None = None,
        output: str | None = None,
        error: str | None = None,
        input: str | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of an instance without an initial program; it stays until it is ended if ``bg``.

        ``nodes`` alone are taken whole. ``conf``: its configuration, an object, a BatchConfig or a piece as
        that takes. Further keywords are those of :meth:`apply_options`. Raises ValueError.
        """
        if nslots is None and nodes is None:
            raise ValueError("from_alloc() requires nslots or nodes")
        options = list(broker_opts or ())
        new = cls.from_nest_command(
            [],
            nodes if nslots is None else nslots,
            cores_per_slot,
            gpus_per_slot,
            nodes,
            [*options, "-Sbroker.rc2_none=1"] if bg else options,
            exclusive or nslots is None,
            normalize_conf(conf),
            name=name,
            queue=queue,
            bank=bank,
            cwd=os.getcwd() if cwd is None else cwd,
            output=output,
            error=error,
            input=input,
            label_io=label_io,
            unbuffered=unbuffered,
        )
        if bg:
            new.setattr_shell_option("pty.capture", 1)
        return new.apply_options(**{"prog": "alloc", "env": [], "rlimit": [], **kwargs})

    @classmethod
    def from_batch(
        cls,
        script: str | os.PathLike[str] | None = None,
        *,
        content: str | None = None,
        nslots: int | None = None,
        nodes: int | None = None,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        exclusive: bool = False,
        broker_opts: Iterable[str] | None = None,
        conf: Any = None,
        wrap: bool = False,
        name: str | None = None,
        queue: str | None = None,
        bank: str | None = None,
        cwd: str | None = None,
        output: str | None = None,
        error: str | None = None,
        input: str | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of an instance that runs a script: the file ``script``, or the text ``content``.

        ``wrap`` makes a shell script of one without ``#!``. The output goes to ``flux-{{id}}.out``. Other
        arguments are those of :meth:`from_alloc`. Raises TypeError, ValueError, OSError.
        """
        if (script is None) == (content is None):
            raise TypeError("from_batch() requires 'script' (a file) or 'content' (a text), and not both")
        text = Path(script).read_text(encoding="utf-8") if script is not None else str(content)
        if wrap and not text.startswith("#!"):
            text = f"#!/bin/sh\n{text}"
        new = cls.from_batch_command(
            text,
            name or ("batch" if script is None else Path(script).name),
            None,
            (nodes or 1) if nslots is None else nslots,
            cores_per_slot,
            gpus_per_slot,
            nodes,
            broker_opts,
            exclusive or (nslots is None and nodes is not None),
            normalize_conf(conf),
            queue=queue,
            bank=bank,
            cwd=os.getcwd() if cwd is None else cwd,
            output="flux-{{id}}.out" if output is None else output,
            error=error,
            input=input,
            label_io=label_io,
            unbuffered=unbuffered,
        )
        return new.apply_options(**{"prog": "batch", "env": [], "rlimit": [], **kwargs})


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _seconds(value: str | float) -> float:
    from flux.util import parse_fsd

    return parse_fsd(value) if isinstance(value, str) else value


def validate_jobspec(jobspec: Any, require_version: int | None = None) -> tuple[bool, Jobspec]:
    """Check a jobspec; see :func:`rosin.job.spec_v1.validate_jobspec`."""
    valid, found = spec_v1.validate_jobspec(jobspec, require_version)
    if isinstance(found, spec_v1.JobspecV1) and not isinstance(found, JobspecV1):
        found = JobspecV1.from_dict(found.jobspec)
    return valid, found
