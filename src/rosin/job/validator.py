# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins that say whether a job may be submitted, with flux-core's interface (``flux.job.validator``).

A file with a class ``Validator`` that derives from :class:`ValidatorPlugin` is one. ``rosin job-validator``
runs them; job-ingest has processes of it for those that ``ingest.validator.plugins`` names.
"""

from __future__ import annotations

import errno
import sys
import traceback
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

from rosin import _json
from rosin.handle.flux import Flux
from rosin.job.plugin_file import called, load_all, one_line, read_line
from rosin.rfc import jobspec as rfc14

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


class ValidatorJobInfo:
    """A job that is submitted: ``jobspec`` (a dict), ``userid``, ``flags``, ``urgency``.

    Raises ValueError if one of them is missing.
    """

    required_keys: ClassVar[set[str]] = {"jobspec", "userid", "flags", "urgency"}

    def __init__(self, jobinfo: Mapping[str, Any]) -> None:
        missing = sorted(self.required_keys - jobinfo.keys())
        if missing:
            raise ValueError(f"missing key '{missing[0]}': a jobspec alone is for --jobspec-only")
        self.jobinfo = jobinfo

    def __getattr__(self, name: str) -> Any:
        try:
            return self.jobinfo[name]
        except KeyError:
            raise AttributeError(name) from None


class ValidatorResult:
    """What plugins have said of a job: ``errnum``, the largest, and ``errmsgs``."""

    def __init__(self) -> None:
        self.errnum = 0
        self.errmsgs: list[str] = []

    def push_result(self, errnum: int, errmsg: str | None = None) -> None:
        """Add what one plugin has said, 0: that the job may be submitted."""
        self.errnum = max(self.errnum, errnum)
        if errmsg and errmsg not in self.errmsgs:
            self.errmsgs.append(errmsg)

    @property
    def errmsg(self) -> str:
        """All texts in one."""
        return ", ".join(self.errmsgs)

    @property
    def success(self) -> bool:
        """Whether the job may be submitted."""
        return self.errnum == 0

    def __str__(self) -> str:
        result: dict[str, Any] = {"errnum": self.errnum}
        if self.errmsgs:
            result["errstr"] = self.errmsg
        return _json.dumps(result).decode()


class ValidatorPlugin(ABC):
    """A check of jobs. Derive ``Validator`` from it. ``flux`` is a handle, opened when it is first used."""

    _flux: Flux | None = None

    def __init__(self, parser: argparse._ArgumentGroup) -> None:  # noqa: B027
        """Add options to *parser*; they are set by ``ingest.validator.args``."""

    @property
    def flux(self) -> Flux:
        """A handle of the instance. Raises OSError."""
        if self._flux is None:
            self._flux = Flux()
        return self._flux

    def configure(self, args: argparse.Namespace) -> None:  # noqa: B027
        """Take the values of all options. Raises ValueError for one that is wrong."""

    @abstractmethod
    def validate(self, job: Any) -> tuple[int, str | None] | None:
        """Check *job*, a :class:`ValidatorJobInfo`: return None, or an error number and a text, or raise."""


class _Jobspec(ValidatorPlugin):
    """check the form of a jobspec (RFC 14, RFC 25)"""

    def __init__(self, parser: argparse._ArgumentGroup) -> None:
        parser.add_argument("--require-version", metavar="V", default="1", help="1 (default), or any")

    def configure(self, args: argparse.Namespace) -> None:
        if args.require_version not in ("1", "any"):
            raise ValueError(f"--require-version: expected 1 or any, got {args.require_version!r}")
        self._any = args.require_version == "any"

    def validate(self, job: Any) -> None:
        rfc14.validate(job.jobspec, canonical=self._any)


class _Feasibility(ValidatorPlugin):
    """ask the scheduler whether the instance could ever run the job"""

    def validate(self, job: Any) -> tuple[int, str | None] | None:
        try:
            self.flux.rpc("feasibility.check", dict(job.jobinfo)).get()
        except OSError as error:
            if error.errno != errno.ENOSYS:  # without a service that knows the job is taken
                return error.errno or errno.EINVAL, error.strerror
        return None


class JobValidator:
    """The plugins that a command line names, by ``--plugins=NAME[,NAME...]``: names, or Python files.

    *parser* is one to which the options are added. ``plugins`` has the classes by name.
    """

    default_validators: ClassVar[list[str]] = ["jobspec"]
    plugin_namespace = "flux.job.validator.plugins"

    def __init__(
        self,
        argv: Sequence[str],
        pluginpath: Any = None,
        parser: argparse.ArgumentParser | None = None,
    ) -> None:
        from argparse import ArgumentParser

        self.parser = ArgumentParser(add_help=False) if parser is None else parser
        read = read_line(self.parser, "Validator options", argv, self.default_validators)
        self.plugins_group, self.args, self.remaining_args = read
        self.plugins: dict[str, type[Any]] = {"jobspec": _Jobspec, "feasibility": _Feasibility}
        self.validators: list[tuple[str, Any]] = []

    def start(self) -> Self:
        """Load and configure the plugins. Raises ValueError, one line."""
        self.validators += load_all(self.args.plugins, self.plugins, "Validator", self.plugins_group)
        args = self.parser.parse_args(self.remaining_args)
        for name, plugin in self.validators:
            called(name, plugin.configure, args)
        return self

    def stop(self) -> None:
        """Be done with the plugins."""
        self.validators.clear()

    @overload
    def validate(self, jobinfo: None) -> tuple[int, None]: ...
    @overload
    def validate(self, jobinfo: str | Mapping[str, Any]) -> ValidatorResult: ...

    def validate(self, jobinfo: str | Mapping[str, Any] | None) -> ValidatorResult | tuple[int, None]:
        """Ask all plugins of a job, which may be JSON text. Raises ValueError if it is no job.

        Of None, no job at all, it is ``(0, None)``, as with flux-core."""
        if jobinfo is None:
            return 0, None
        info = _json.loads(jobinfo.encode()) if isinstance(jobinfo, str) else jobinfo
        if not isinstance(info, dict):
            raise ValueError("expected an object with jobspec, userid, urgency and flags")
        job = ValidatorJobInfo(info)
        result = ValidatorResult()
        for name, plugin in self.validators:
            _ask(name, plugin, job, result)
        return result


def _ask(name: str, plugin: Any, job: ValidatorJobInfo, result: ValidatorResult) -> None:
    """Let one plugin look at a job; whatever it raises refuses the job."""
    try:
        said = plugin.validate(job)
    except (ValueError, TypeError, OSError) as error:
        result.push_result(1, " ".join(str(error).split()) or f"{name}: {type(error).__name__}")
        return
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        result.push_result(1, f"{name}: {one_line(error)}")
        return
    if said is None:
        return
    if isinstance(said, tuple) and len(said) == 2 and isinstance(said[0], int):
        result.push_result(said[0], None if said[1] is None else str(said[1]))
    else:
        text = (
            f"{name}: validate() has returned {said!r:.64}: expected nothing, or an error number and a text"
        )
        result.push_result(1, text)
