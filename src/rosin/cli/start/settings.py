# SPDX-License-Identifier: LGPL-3.0-or-later
"""What brokers are started with: attributes, configuration, initial program."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Any

from rosin.cli.start.options import SYSTEM_CONFIG, command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rosin.cli.arguments import Namespace


class StartSettings:
    """``conf``: texts that are added to the configuration of ``config_path``.

    Raises ValueError and OSError.
    """

    def __init__(
        self, command: list[str], attrs: dict[str, str], config_path: str | None, conf: Sequence[str]
    ) -> None:
        self.command = command
        self.attrs = attrs
        self.config_path = config_path
        self.config = _configuration(config_path, conf)
        self._conf = conf

    def broker(self, attrs: Mapping[str, str] | None = None, *, first: bool = True) -> list[str]:
        """The command line of a broker, with more attributes; only the first one runs the initial program."""
        words = [f"-S{name}={value}" for name, value in {**self.attrs, **(attrs or {})}.items()]
        words += [f"-c{self.config_path}"] if self.config_path else []
        words += [f"--conf={text}" for text in self._conf]
        if first and self.command:
            words += ["--"] if self.command[0].startswith("-") else []
            words += self.command
        return [*_program(), "broker", *words]

    def check_terminal(self) -> None:
        """An interactive shell needs a terminal. Raises ValueError."""
        from rosin.broker.program import check_terminal

        check_terminal(self.command, self.attrs)

    def warn(self, prog: str) -> None:
        """Check the configuration, and say what of it and of the attributes has no effect.

        Raises FormatError.
        """
        from rosin.broker.attrtable import without_effect

        lines = without_effect(self.attrs)
        if self.config:
            from rosin.broker.configcheck import check, unknown_tables, warnings

            unknown = unknown_tables(self.config)
            lines += [
                f"[{name}]: no part of this broker reads this table of the configuration" for name in unknown
            ]
            ignored = check(self.config)
            lines += warnings({name: why for name, why in ignored.items() if name not in unknown})
        if lines:
            from rosin.cli.base import warning

            for line in lines:
                warning(prog, line)


def of_start(args: Namespace) -> StartSettings:
    """What the options of ``rosin start`` say. Raises ValueError and OSError."""
    attrs = _attributes(args.setattr)
    if args.recovery is not None:
        _recover(args.recovery, attrs)
    # With several brokers -v tells of the launcher, and -o,-v of each of them.
    _print_log(attrs, args.broker_verbose + (0 if args.test_size else args.verbose))
    path = args.config_path or SYSTEM_CONFIG if args.sysconfig else _config_path(args.config_path, attrs)
    return StartSettings(args.command, attrs, path, args.conf)


def of_broker(args: Namespace) -> StartSettings:
    """What the options of ``rosin broker`` say. Raises ValueError and OSError."""
    attrs = _attributes(args.setattr)
    _print_log(attrs, args.verbose)
    return StartSettings(command(args), attrs, _config_path(args.config_path, attrs), args.conf)


def _attributes(pairs: list[str]) -> dict[str, str]:
    """The attributes given; one without a value is set to the empty text."""
    from rosin.broker.attrtable import check_given

    attrs = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not name:
            raise ValueError(f"--setattr: '{pair}' is not ATTR=VAL; example: -S statedir=/var/lib/rosin")
        attrs[name] = value
    check_given(attrs)
    return attrs


def _print_log(attrs: dict[str, str], verbose: int) -> None:
    if verbose:
        attrs.setdefault("log-stderr-level", "6" if verbose == 1 else "7")


def _recover(target: str, attrs: dict[str, str]) -> None:
    """What is to be looked at, a state directory or a dump, and how. Raises ValueError."""
    target = target or attrs.get("statedir", "")
    if not target:
        raise ValueError("--recovery needs the state directory: --recovery=PATH")
    try:
        mode = os.stat(target).st_mode
    except OSError as exc:
        raise ValueError(
            f"--recovery: {target}: {exc.strerror}; expected a state directory, or a dump of 'rosin dump'"
        ) from None
    if stat.S_ISDIR(mode):
        attrs["statedir"] = target
    elif target == attrs.get("statedir"):
        raise ValueError(f"--recovery: {target} is not a directory")
    else:  # as rc1 reads it, from wherever
        attrs["content.restore"] = os.path.abspath(target)
    attrs["broker.recovery-mode"] = "1"
    for name, value in (
        ("broker.quorum", "1"),
        ("broker.module-nopanic", "1"),
        ("log-stderr-level", "5"),  # it is to be seen what is wrong
    ):
        attrs.setdefault(name, value)


def _config_path(given: str | None, attrs: Mapping[str, str]) -> str | None:
    path = given or attrs.get("config.path") or os.environ.get("FLUX_CONF_DIR")
    return os.path.abspath(path) if path else None


def _configuration(path: str | None, texts: Sequence[str]) -> dict[str, Any]:
    from rosin.configfile import load, merge, parse, parse_json

    config = load(path) if path else {}
    for text in texts:
        if text.lstrip().startswith("{"):
            extra = parse_json(text, "--conf")
        elif os.path.exists(text):
            extra = load(text)
        elif "\n" in text or text.lstrip().startswith("["):
            extra = parse(text, "--conf")
        else:
            extra = _assignment(text)
        config = merge(config, extra)
    return config


def _assignment(text: str) -> dict[str, object]:
    from rosin.configfile import parse

    key, sep, value = text.partition("=")
    if not sep:
        raise ValueError(f"--conf: '{text}' is neither a file nor KEY=VALUE nor TOML text")
    try:
        return parse(f"{key} = {value}", "--conf")
    except ValueError:
        # A bare word is meant as a string.
        return parse(f'{key} = "{value}"', "--conf")


def _program() -> list[str]:
    """The command of this installation."""
    from rosin.broker.program import installed

    path = installed("rosin")
    return [sys.executable, "-m", "rosin"] if path is None else [path]
