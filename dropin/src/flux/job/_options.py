# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the options of the submission commands mean: signals, environments, limits, dependencies, files."""

from __future__ import annotations

import os
import resource
import sys
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, ClassVar

from flux.constraint.parser import ConstraintParser
from flux.util import parse_fsd
from rosin.cli import submission
from rosin.cli.environment import Environment, job_rlimits, matcher
from rosin.process.outcome import signal_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Object = dict[str, Any]


def decode_signal(val: int | str) -> int:
    """The number of a signal: 10, ``"10"``, ``SIGUSR1`` or ``USR1``. Raises ValueError."""
    if isinstance(val, int):
        return int(val)
    try:
        return int(signal_number(val))
    except ValueError:
        raise ValueError(f"signal '{val}' is invalid") from None


def decode_duration(val: float | str) -> float:
    """Seconds of a number or of a Flux Standard Duration (RFC 23). Raises ValueError."""
    if isinstance(val, int | float):
        return val
    try:
        return float(val)
    except ValueError:
        return parse_fsd(val)


def parse_signal_option(arg: str | None) -> dict[str, Any]:
    """The shell option of ``--signal=[SIG][@TIME]``: ``signum`` and ``timeleft``. Raises ValueError."""
    name, _, left = (arg or "").partition("@")
    try:
        signum = decode_signal(name or "USR1")
        if signum <= 0:
            raise ValueError("signal must be > 0")
        return {"signum": signum, "timeleft": decode_duration(left or 60)}
    except ValueError as exc:
        raise ValueError(f"--signal={arg}: {exc}") from None


class MiniConstraintParser(ConstraintParser):
    """Reads the constraints of ``--requires``."""

    operator_map: ClassVar[dict[str | None, str]] = {
        None: "properties",
        "host": "hostlist",
        "hosts": "hostlist",
        "rank": "ranks",
    }
    split_values: ClassVar[dict[str, str]] = {"properties": ","}
    combined_terms: ClassVar[set[str]] = {"properties"}


class URIArg:
    """A dependency ``SCHEME[:VALUE][?KEY=VALUE]`` (RFC 26); ``entry`` is its object. Raises ValueError.

    ``name`` says in errors what the URI is for.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri = uri
        self.entry: Object = submission.uri_entry(uri, name)
        self.scheme: str = self.entry["scheme"]
        self.path: str = self.entry["value"]
        if (name, self.scheme) == ("dependency", "after"):
            sys.stderr.write("dependency scheme 'after' is deprecated, use 'afterstart'\n")


def dependency_array_create(uris: Iterable[str]) -> list[Object]:
    """The dependencies of a jobspec, of URIs. Raises ValueError."""
    return [URIArg(uri, "dependency").entry for uri in uris]


def filter_dict(env: Mapping[str, Any], pattern: str, reverseMatch: bool = True) -> Object:
    """The items whose name does not match a shell pattern, or a regular expression behind ``/``.

    Without ``reverseMatch`` those that match. Raises ValueError.
    """
    matches = matcher(pattern)
    return {name: value for name, value in env.items() if bool(matches(name)) is not reverseMatch}


def get_rlimits(name: str = "*") -> dict[str, int]:
    """The soft limits of this process whose name matches a shell pattern. Raises ValueError for none."""
    names = [limit for limit in dir(resource) if limit.startswith("RLIMIT_")]
    found = {
        limit.removeprefix("RLIMIT_").lower(): resource.getrlimit(getattr(resource, limit))[0]
        for limit in names
        if fnmatch(limit, f"RLIMIT_{name.upper()}")
    }
    if not found:
        raise ValueError(f'No corresponding rlimit matching "{name}"')
    return found


def list_split(opts: str | Iterable[str] | None) -> list[str]:
    """The words of one text, or of several, with commas between them."""
    texts = [opts] if isinstance(opts, str) else opts or ()
    return [word for text in texts for word in text.split(",")]


def get_filtered_rlimits(user_rules: str | Sequence[str] | None = None) -> dict[str, int]:
    """The limits that a job gets: the usual ones, as the rules of ``--rlimit`` change them.

    Raises ValueError.
    """
    return job_rlimits(list_split(user_rules))


def get_filtered_environment(
    rules: Iterable[str] | None, environ: Mapping[str, str] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """An environment (default: that of this process) as the rules of ``--env`` change it.

    Returns the variables, and the templates that the job shell fills in. Raises ValueError.
    """
    found = Environment(dict(os.environ))
    if environ is not None:
        found.variables = dict(environ)
    found.apply(rules or ())
    return found.variables, found.templates


def jobspec_add_file(jobspec: Any, arg: str) -> None:
    """Give a job the file of ``--add-file=[NAME[:PERMS]=]DATA``. Raises ValueError."""
    submission.add_file(jobspec.jobspec, arg)


def parse_jobspec_keyval(label: str, keyval: str) -> tuple[str, Any]:
    """``KEY[=VALUE]`` with JSON or text as value, or ``^KEY=FILE``; ``label`` is the option of errors.

    Raises ValueError.
    """
    return submission.keyval(label, keyval)
