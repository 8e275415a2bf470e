# SPDX-License-Identifier: LGPL-3.0-or-later
"""The options of ``rosin start`` and ``rosin broker``, as flux-core's commands have them."""

from __future__ import annotations

from rosin.cli.arguments import REMAINDER, Namespace
from rosin.cli.base import duration
from rosin.cli.subcommands import AdminParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where flux-core keeps the configuration of a system instance.
SYSTEM_CONFIG = "/etc/flux/system/conf.d"
_WITH_VALUE = (
    "-S",
    "--setattr",
    "-c",
    "--config-path",
    "--conf",
    "-o",
    "--broker-opts",
    "--wrap",
    "-s",
    "--test-size",
    "--test-hosts",
    "--test-exit-mode",
    "--test-exit-timeout",
    "--test-start-mode",
    "--test-rundir",
    "--test-pmi-clique",
)


def parser(prog: str) -> AdminParser:
    """The options of ``rosin start``."""
    result = AdminParser(
        prog,
        "Start a Flux instance on this machine and run COMMAND (default: a shell) in it. "
        "The instance ends when COMMAND does; its exit code is COMMAND's.",
    )
    add = result.add_argument
    _add_settings(result)
    add("--sysconfig", action="store_true", help=f"read the system's configuration, {SYSTEM_CONFIG}")
    add(
        "-r",
        "--recovery",
        metavar="TARGET",
        nargs="?",
        const="",
        help="start on a state directory, or on a dump, without running its jobs, to look at it",
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
    _add_test_options(result)
    _add_command(result)
    return result


def broker_parser(prog: str) -> AdminParser:
    """The options of ``rosin broker``."""
    result = AdminParser(
        prog,
        "Run one broker of a Flux instance, which finds the others by PMI or its configuration. "
        "The first one runs COMMAND (default: a shell), and the instance ends when that does.",
    )
    _add_settings(result)
    result.add_argument("-v", "--verbose", action="count", default=0, help="say what is being done")
    _add_command(result)
    return result


def _add_settings(result: AdminParser) -> None:
    add = result.add_argument
    add("-S", "--setattr", metavar="ATTR=VAL", action="append", default=[], help="set a broker attribute")
    add("-c", "--config-path", metavar="PATH", help="TOML file, or directory of TOML files")
    add(
        "--conf",
        metavar="VALUE",
        action="append",
        default=[],
        help="TOML or JSON text, KEY=VALUE or file, added to it",
    )


def _add_command(result: AdminParser) -> None:
    result.add_argument(
        "command", nargs=REMAINDER, metavar="COMMAND", help="initial program and its arguments"
    )


def _add_test_options(result: AdminParser) -> None:
    add = result.add_argument
    add("-s", "--test-size", metavar="N", type=int, help="start N brokers on this machine, for tests")
    add("--test-hosts", metavar="HOSTLIST", help="their host names, by rank")
    add("--test-exit-mode", metavar="MODE", help="whose end limits the others' time: any (default) or leader")
    add(
        "--test-exit-timeout",
        metavar="FSD",
        type=duration,
        help="how long the others may run after that (default: 20s)",
    )
    add("--test-start-mode", metavar="MODE", help="which of them to start: all (default) or leader")
    add("--test-rundir", metavar="PATH", help="directory of their sockets, which exists and is kept")
    add("--test-rundir-cleanup", action="store_true", help="remove it at the end")
    add(
        "--test-pmi-clique",
        metavar="MODE",
        help="which of them share a node: single (all; default), per-broker, none (unknown) or a taskmap",
    )


def arguments(options: AdminParser, argv: Sequence[str]) -> Namespace:
    """Parse *argv* of ``rosin start``. Raises ValueError.

    The target is part of ``--recovery=TARGET``: a word after ``--recovery`` is COMMAND.
    """
    rest, words = list(argv), []
    while rest and rest[0].startswith("-") and rest[0] != "--":
        word = rest.pop(0)
        if word.startswith("--verbose="):
            words += ["-v"] * _level(word)
        else:
            words.append("--recovery=" if word in ("-r", "--recovery") else word)
        if word in _WITH_VALUE and rest:
            words.append(rest.pop(0))
    args = options.parse_args(words + rest)
    _add_broker_options(args)
    args.wrap = [word for text in args.wrap for word in text.split(",") if word]
    args.command = command(args)
    _check_test_options(args)
    return args


def command(args: Namespace) -> list[str]:
    """The words of COMMAND."""
    words: list[str] = args.command
    return words[1:] if words[:1] == ["--"] else words


def _level(word: str) -> int:
    value = word.partition("=")[2]
    if not (value.isascii() and value.isdigit() and len(value) < 3):
        raise ValueError(f"--verbose: '{value}' is not a level; example: --verbose=2")
    return int(value)


def _add_broker_options(args: Namespace) -> None:
    """Take what ``--broker-opts`` says into the other options. Raises ValueError for what is none."""
    words = [word for text in args.broker_opts for word in text.split(",") if word]
    extra = broker_parser("rosin-start").parse_args(words)
    if extra.command:
        raise ValueError(f"--broker-opts: '{extra.command[0]}' is not an option; example: -o,-SATTR=VAL,-v")
    args.setattr += extra.setattr
    args.conf += extra.conf
    args.config_path = extra.config_path or args.config_path
    args.broker_verbose = extra.verbose


def _check_test_options(args: Namespace) -> None:
    """Raises ValueError for a test option that stands alone, or has a value of no use."""
    if args.test_size is None:
        for name in vars(args):
            if name.startswith("test_") and getattr(args, name):
                raise ValueError(f"--{name.replace('_', '-')} only works with --test-size")
        return
    if args.test_size <= 0:
        raise ValueError(f"--test-size argument must be > 0, not {args.test_size}")
    for name, words in (("exit", ("any", "leader")), ("start", ("all", "leader"))):
        value = getattr(args, f"test_{name}_mode")
        if value is None:
            setattr(args, f"test_{name}_mode", words[0])
        elif value not in words:
            raise ValueError(f"unknown --test-{name}-mode: {value}: expected {' or '.join(words)}")
