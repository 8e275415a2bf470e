# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin start``: start an instance on this machine and run a program in it."""

from __future__ import annotations

import _signal
import gc
import os
import sys
from typing import Any, NoReturn

from rosin.cli.arguments import REMAINDER, Namespace
from rosin.cli.subcommands import AdminParser

_WITH_VALUE = (
    "-S",
    "--setattr",
    "-c",
    "--config-path",
    "--conf",
    "-o",
    "--broker-opts",
    "-s",
    "--test-size",
    "--test-rundir",
    "--wrap",
)
#: Where flux-core keeps the configuration of a system instance.
_SYSTEM_CONFIG = "/etc/flux/system/conf.d"


def parser(prog: str) -> AdminParser:
    """The command's options, a subset of flux-core's for one broker."""
    result = AdminParser(
        prog,
        "Start a Flux instance on this machine and run COMMAND (default: a shell) in it. "
        "The instance ends when COMMAND does; its exit code is COMMAND's.",
    )
    add = result.add_argument
    add("-S", "--setattr", metavar="ATTR=VAL", action="append", default=[], help="set a broker attribute")
    add("-c", "--config-path", metavar="PATH", help="TOML file, or directory of TOML files")
    add("--sysconfig", action="store_true", help=f"read the system's configuration, {_SYSTEM_CONFIG}")
    add(
        "--conf",
        metavar="VALUE",
        action="append",
        default=[],
        help="TOML or JSON text, KEY=VALUE or file, added to it",
    )
    add(
        "-r",
        "--recovery",
        metavar="TARGET",
        nargs="?",
        const="",
        help="start on a state directory without running its jobs, to look at it",
    )
    add("-v", "--verbose", action="count", default=0, help="say what is being done")
    add("-X", "--noexec", action="store_true", help="check the options, start nothing")
    add(
        "-o",
        "--broker-opts",
        metavar="OPTS",
        action="append",
        default=[],
        help="more options of the broker, separated by commas: -o,-SATTR=VAL,-v",
    )
    add(
        "--wrap",
        metavar="ARGS,...",
        action="append",
        default=[],
        help="run the broker by this command, its words separated by commas",
    )
    add("-s", "--test-size", metavar="N", type=int, default=1, help="number of brokers (this version: 1)")
    add("--test-rundir", metavar="PATH", help="directory of the socket; kept")
    add("command", nargs=REMAINDER, metavar="COMMAND", help="initial program and its arguments")
    return result


def _arguments(options: AdminParser, argv: list[str]) -> Namespace:
    """Parse *argv*. The target is part of ``--recovery=TARGET``: a word after ``--recovery`` is COMMAND."""
    rest, words = list(argv), []
    while rest and rest[0].startswith("-") and rest[0] != "--":
        word = rest.pop(0)
        words.append("--recovery=" if word in ("-r", "--recovery") else word)
        if word in _WITH_VALUE and rest:
            words.append(rest.pop(0))
    return options.parse_args(words + rest)


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


def _config_path(args: Namespace, attrs: dict[str, str]) -> str | None:
    if args.sysconfig:
        return args.config_path or _SYSTEM_CONFIG
    path = args.config_path or attrs.get("config.path") or os.environ.get("FLUX_CONF_DIR")
    return os.path.abspath(path) if path else None


def _configuration(args: Namespace, path: str | None) -> dict[str, Any]:
    from rosin.configfile import load, merge, parse, parse_json

    config = load(path) if path else {}
    for text in args.conf:
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


def _add_broker_options(options: AdminParser, args: Namespace) -> None:
    """Take what ``--broker-opts`` says into the other options. Raises ValueError for what is none."""
    words = [word for text in args.broker_opts for word in text.split(",") if word]
    extra = options.parse_args(words)
    if extra.command:
        raise ValueError(f"--broker-opts: '{extra.command[0]}' is not an option; example: -o,-SATTR=VAL,-v")
    args.setattr += extra.setattr
    args.conf += extra.conf
    args.config_path = extra.config_path or args.config_path
    args.verbose += extra.verbose


def _warn(prog: str, attrs: dict[str, str], config: dict[str, Any]) -> None:
    """Check the configuration, and say what of it and of the attributes has no effect. Raises FormatError."""
    from rosin.broker.attrtable import without_effect

    lines = without_effect(attrs)
    if config:
        from rosin.broker.configcheck import check, unknown_tables, warnings

        unknown = unknown_tables(config)
        lines += [
            f"[{name}]: no part of this broker reads this table of the configuration" for name in unknown
        ]
        ignored = check(config)
        lines += warnings({name: why for name, why in ignored.items() if name not in unknown})
    if lines:
        from rosin.cli.base import warning

        for line in lines:
            warning(prog, line)


def _exec_wrapped(wrap: list[str], argv: list[str]) -> NoReturn:
    """Become the wrapper, which is to run this command without ``--wrap``. Raises OSError."""
    options, at = [], 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] != "--":
        count = 2 if argv[at] in _WITH_VALUE else 1
        if not argv[at].startswith("--wrap"):
            options += argv[at : at + count]
        at += count
    words = [*wrap, sys.executable, "-m", "rosin", "start", *options, *argv[at:]]
    try:
        os.execvp(words[0], words)
    except OSError as exc:
        raise OSError(exc.errno, f"--wrap: {words[0]}: {exc.strerror}") from None


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    # Until the broker has handlers of its own, a signal ends this process at once: nothing exists that would
    # have to be removed, and the zygote goes when the other end of its socket closes.
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    options = parser(prog)
    args = _arguments(options, argv)
    _add_broker_options(options, args)
    if args.test_size != 1:
        raise ValueError(f"--test-size={args.test_size}: this version runs instances of one broker")
    attrs = _attributes(args.setattr)
    args.config_path = _config_path(args, attrs)
    if args.test_rundir:
        attrs.setdefault("rundir", args.test_rundir)
    if args.recovery is not None:
        attrs["broker.recovery-mode"] = "1"
        if args.recovery:
            attrs["statedir"] = args.recovery
        if "statedir" not in attrs:
            raise ValueError("--recovery needs the state directory: --recovery=PATH")
        if not os.path.isdir(attrs["statedir"]):
            raise ValueError(f"--recovery: {attrs['statedir']} is not a directory")
    if args.verbose:
        attrs.setdefault("log-stderr-level", "6" if args.verbose == 1 else "7")
    config: dict[str, Any] = _configuration(args, args.config_path)
    _warn(prog, attrs, config)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    wrap = [word for text in args.wrap for word in text.split(",") if word]
    if args.noexec:
        print(*wrap, "broker", *(f"-S{name}={value}" for name, value in attrs.items()), *command)
        return 0
    if not command and "broker.rc2_none" not in attrs and not os.isatty(0):
        raise ValueError("stdin is not a tty - can't run interactive shell; name a command to run instead")
    if wrap:
        _exec_wrapped(wrap, argv)
    # The collector would walk through half-imported modules again and again; the broker turns it on when
    # it serves.
    gc.disable()
    from rosin.broker.stdio import open_missing
    from rosin.process import credentials, signals
    from rosin.process.zygote import Zygote
    from rosin.shell import PRELOAD

    open_missing()
    ignored = signals.catch_ignored()

    # Forked here, before the loop, its threads and sockets exist.
    zygote = Zygote.start(PRELOAD) if sys.platform == "linux" else None
    from rosin.broker.boot import BootOptions, run

    # Taken after the fork: what runs jobs has no part in them.
    secrets = credentials.take()
    return run(BootOptions(command, attrs, config, args.config_path, secrets), zygote, ignored)
