# SPDX-License-Identifier: LGPL-3.0-or-later
"""From the options of a submission command to a jobspec (RFC 25)."""

from __future__ import annotations

import os
import sys

from rosin import _json
from rosin.cli import request
from rosin.cli.base import reason, require_text
from rosin.errors import FormatError
from rosin.rfc import treedict
from rosin.rfc.jobspec import build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import Any

    from rosin.cli.environment import Environment
    from rosin.job.spec import Jobspec

    Object = dict[str, Any]

#: Attributes of options that are called otherwise.
_OPTION_NAMES = {"wait": "wait-event"}
_FLAGS = ("debug", "waitable", "novalidate")


def time_limit(text: str | None) -> float | None:
    """Seconds of a time limit in minutes, or with a unit. Raises ValueError."""
    if text is None:
        return None
    try:
        try:
            seconds = float(text) * 60
        except ValueError:
            seconds = parse_duration(text)
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"duration must {'not be negative' if seconds < 0 else 'be finite'}")
    except ValueError as exc:
        accepted = "minutes, or a number with a unit, as in 30, 90s, 1.5h, 2d"
        raise ValueError(f"--time-limit={text}: {exc}: it takes {accepted}") from None
    return seconds


def parse_urgency(text: str) -> int:
    """The number of an urgency by number or name; its range is checked by job-ingest. Raises ValueError."""
    from rosin.rfc.urgency import parse

    try:
        return parse(text)
    except FormatError:
        accepted = "0 to 31, hold, default or expedite, as in --urgency=20"
        raise ValueError(f"--urgency={text}: not an urgency: it takes {accepted}") from None


def submit_flags(words: Sequence[str] | None) -> dict[str, bool]:
    """Keywords for :func:`rosin.job.submission.submit_async` from ``--flags``. Raises ValueError."""
    flags = dict.fromkeys(_FLAGS, False)
    for flag in [flag for word in words or () for flag in word.split(",")]:
        if flag not in flags:
            raise ValueError(f"--flags: Unknown flag {flag}: it takes {', '.join(_FLAGS)}")
        flags[flag] = True
    return flags


def parse_signal(text: str) -> dict[str, Any]:
    """The shell option of ``--signal=[SIG][@TIME]``. Raises ValueError."""
    from rosin.process.outcome import signal_number

    name, _, left = text.partition("@")
    try:
        signum = signal_number(name or "USR1")
        if signum <= 0:
            raise ValueError("signal must be > 0")
        return {"signum": signum, "timeleft": parse_duration(left) if left else 60}
    except ValueError as exc:
        raise ValueError(
            f"--signal={text}: {exc}: it takes [SIG][@TIME], as in USR1@90s, @5m or TERM"
        ) from None


def parse_duration(text: str) -> float:
    """Seconds of a Flux Standard Duration (RFC 23). Raises ValueError."""
    from rosin.rfc import fsd

    try:
        return fsd.parse(text)
    except ValueError:
        raise ValueError("invalid Flux standard duration") from None


def keyval(label: str, text: str) -> tuple[str, Any]:
    """``KEY[=VALUE]``: VALUE is JSON if it can be, 1 without one; ``^KEY=FILE`` reads JSON from a file.

    Raises ValueError and OSError.
    """
    key, equals, value = text.partition("=")
    if not all(key.lstrip("^.").split(".")):
        raise ValueError(f"{label}={text}: a key is missing: it takes KEY[=VALUE], as in {label}=a.b=1")
    if key.startswith("^"):
        if not value:
            accepted = f"^KEY=FILE with a file of JSON, as in {label}=^a.b=c.json"
            raise ValueError(f"{label}={text}: a file is missing: it takes {accepted}")
        try:
            with open(value, "rb") as stream:
                return key.lstrip("^"), _json.loads(stream.read())
        except (OSError, ValueError) as exc:
            raise ValueError(f"{label}={text}: {value}: {reason(exc)}: it takes a file of JSON") from None
    if not equals:
        return key, 1
    try:
        return key, _json.loads(value)
    except ValueError:
        return key, value


def uri_entry(text: str, what: str) -> dict[str, Any]:
    """``SCHEME[:VALUE][?KEY=VAL]`` as an object. Raises ValueError."""
    from rosin.rfc.dependency import parse_uri

    uri = text if ":" in text else f"{text}:"
    try:
        return parse_uri(uri)
    except ValueError as exc:
        if what == "dependency":
            raise
        raise ValueError(f'Invalid {what} URI "{uri}"') from exc


def is_idset(text: str) -> bool:
    """Whether ``--input`` names tasks rather than a file."""
    from rosin.rfc.idset import Idset

    try:
        return bool(Idset(text)) or not text
    except ValueError:
        return False


def constraint(words: Sequence[str]) -> dict[str, Any]:
    """The RFC 31 object of ``--requires``. Raises ValueError."""
    from rosin.rfc.constraint.query import parse_resources

    text = " ".join(words)
    try:
        return parse_resources(text)
    except ValueError as exc:
        accepted = "properties and operators, as in 'gpu and not host:n[0-3]'"
        raise ValueError(f"--requires='{text}': {exc}: it takes {accepted}") from None


class Builder:
    """Makes the jobspecs of one command. What costs time is made once for all of them."""

    def __init__(self) -> None:
        self._environments: dict[tuple[str, ...], Environment] = {}
        self._rlimits: dict[tuple[str, ...], dict[str, int]] = {}

    def build(self, args: Namespace) -> Object:
        """The jobspec of ``args`` (run, submit, bulksubmit) as an object. Raises ValueError and OSError."""
        if not args.command:
            raise ValueError("job command and arguments are missing")
        plugins = getattr(args, "plugins", None)
        if plugins is not None:
            plugins.preinit(args)
        require_texts(args)
        stdin = args.input if args.input is not None and not is_idset(args.input) else None
        options = {
            "duration": time_limit(args.time_limit),
            "cwd": args.cwd if args.cwd is not None else working_directory(),
            "name": args.job_name,
            "input": stdin,
            "output": args.output,
            "error": args.error,
            "label_io": args.label_io,
            "unbuffered": args.unbuffered,
            "queue": args.queue,
            "bank": args.bank,
        }
        jobspec = request.of_tasks(args, options)
        self.apply(jobspec, args)
        return jobspec

    def apply(self, jobspec: Jobspec | Object, args: Namespace) -> None:
        """Set what all submission commands can set. Raises ValueError and OSError."""
        obj: Object = jobspec if isinstance(jobspec, dict) else jobspec.jobspec
        self._set_environment(obj, args)
        set_options(obj, args)
        plugins = getattr(args, "plugins", None)
        if plugins is not None:
            plugins.modify(args, obj)

    def _set_environment(self, obj: Object, args: Namespace) -> None:
        from rosin.cli import environment as env

        rules = tuple(args.env or ())
        if rules not in self._environments:
            self._environments[rules] = env.job_environment(rules, find_commands=True)
        set_environment(obj, self._environments[rules])
        limits = tuple(args.rlimit or ())
        if limits not in self._rlimits:
            self._rlimits[limits] = env.job_rlimits(limits)
        if self._rlimits[limits]:
            build.set_shell_option(obj, "rlimit", self._rlimits[limits])
        build.set_shell_option(obj, "umask", env.job_umask())


def set_environment(obj: Object, environment: Environment) -> None:
    """Set the environment of ``--env``."""
    obj["attributes"]["system"]["environment"] = environment.variables.copy()
    if environment.templates:
        build.set_shell_option(obj, "env-expand", dict(environment.templates))


def set_options(obj: Object, args: Any) -> None:
    """Set what all submission commands can set but environment and limits. Raises ValueError and OSError."""
    set_option = build.set_shell_option
    if args.signal:
        set_option(obj, "signal", parse_signal(args.signal))
    if getattr(args, "taskmap", None) is not None:
        set_option(obj, "taskmap", uri_entry(args.taskmap, "taskmap"))
    if args.dependency:
        entries = [uri_entry(uri, "dependency") for uri in args.dependency]
        if any(entry["scheme"] == "after" for entry in entries):
            sys.stderr.write("dependency scheme 'after' is deprecated, use 'afterstart'\n")
        obj["attributes"]["system"]["dependencies"] = entries
    if args.requires:
        obj["attributes"]["system"]["constraints"] = constraint(args.requires)
    for text in args.setopt or ():
        set_option(obj, *keyval("--setopt", text))
    for text in args.setattr or ():
        set_attribute(obj, *keyval("--setattr", text))
    for text in args.add_file or ():
        add_file(obj, text)


def require_texts(args: Namespace) -> None:
    """Refuse options and arguments that are not UTF-8 by their names, before anything is sent.

    Raises :class:`rosin.cli.base.NotText`.
    """
    for name, value in vars(args).items():
        if name in ("command", "changed", "methods", "plugins"):
            continue
        option = f"--{_OPTION_NAMES.get(name, name).replace('_', '-')}"
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                require_text(option, text)
    for place, word in enumerate(args.command):
        require_text(f"argument {place}" if place else "command", word)


def working_directory() -> str:
    """The job's default directory. Raises ValueError, FileNotFoundError."""
    try:
        path = os.getcwd()
    except FileNotFoundError as exc:
        text = "the current directory has been removed: go to another one, or give --cwd=DIR"
        raise FileNotFoundError(exc.errno, text) from None
    require_text("the current directory (another one: --cwd=DIR)", path)
    return path


def set_attribute(obj: Object, key: str, value: Any) -> None:
    """Set an attribute: below ``system.`` unless ``attributes.``, ``user.``, ``system.`` or a dot leads."""
    steps = key.removeprefix("attributes").lstrip(".").split(".")
    if not key.startswith((".", "attributes.", "user.", "system.")):
        steps.insert(0, "system")
    try:
        treedict.put(obj["attributes"], ".".join(steps), value)
    except FormatError as exc:
        raise ValueError(f"--setattr: {exc}") from None


def set_cc(obj: Object, cc: str) -> None:
    """Tell a copy which one it is."""
    obj["attributes"]["system"]["environment"]["FLUX_JOB_CC"] = cc


def add_file(obj: Object, text: str) -> None:
    """Give the job the file of ``--add-file=[NAME[:PERMS]=]DATA``. Raises ValueError."""
    name, equals, data = text.replace("\\n", "\n").partition("=")
    perms = None
    if not equals or not data:
        if "\n" in name:
            raise ValueError("--add-file: file name missing")
        name, data = os.path.basename(name), name
    else:
        stem, _, mode = name.rpartition(":")
        if stem and mode and not mode.strip("01234567"):
            name, perms = stem, int(mode, 8)
    try:
        if "\n" in data:
            build.add_file(obj, name, data, 0o600 if perms is None else perms, "utf-8")
        else:
            from rosin.job.spec import Jobspec

            holder = Jobspec.__new__(Jobspec)
            holder.jobspec = obj
            holder.add_file(name, data, perms=perms)
    except (TypeError, ValueError, OSError) as exc:
        raise ValueError(f"--add-file={text}: {reason(exc)}") from None
