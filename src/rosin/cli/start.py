# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin start``: start an instance on this machine and run a program in it."""

from __future__ import annotations

import argparse
import gc
import os
import sys

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
)


def parser(prog: str) -> argparse.ArgumentParser:
    """The command's options, a subset of flux-core's for one broker."""
    result = argparse.ArgumentParser(
        prog=prog.replace("-", " "),
        description="Start a Flux instance on this machine and run COMMAND (default: a shell) in it. "
        "The instance ends when COMMAND does; its exit code is COMMAND's.",
    )
    add = result.add_argument
    add("-S", "--setattr", metavar="ATTR=VAL", action="append", default=[], help="set a broker attribute")
    add("-c", "--config-path", metavar="PATH", help="TOML file, or directory of TOML files")
    add(
        "--conf",
        metavar="VALUE",
        action="append",
        default=[],
        help="TOML text, KEY=VALUE or file, added to it",
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
        help="more -S/-c options for the broker",
    )
    add("-s", "--test-size", metavar="N", type=int, default=1, help="number of brokers (this version: 1)")
    add("--test-rundir", metavar="PATH", help="directory of the socket; kept")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="initial program and its arguments")
    return result


def _arguments(options: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
    """Parse *argv*. The target is part of ``--recovery=TARGET``: a word after ``--recovery`` is COMMAND."""
    rest, words = list(argv), []
    while rest and rest[0].startswith("-") and rest[0] != "--":
        word = rest.pop(0)
        words.append("--recovery=" if word in ("-r", "--recovery") else word)
        if word in _WITH_VALUE and rest:
            words.append(rest.pop(0))
    return options.parse_args(words + rest)


def _attributes(pairs: list[str]) -> dict[str, str]:
    attrs = {}
    for pair in pairs:
        name, sep, value = pair.partition("=")
        if not name or not sep:
            raise ValueError(f"--setattr: '{pair}' is not ATTR=VAL")
        attrs[name] = value
    return attrs


def _configuration(args: argparse.Namespace) -> dict[str, object]:
    from rosin.broker.configfile import load, merge, parse

    path = args.config_path or os.environ.get("FLUX_CONF_DIR")
    config = load(path) if path else {}
    for text in args.conf:
        if os.path.exists(text):
            extra = load(text)
        elif "\n" in text or text.lstrip().startswith("["):
            extra = parse(text, "--conf")
        else:
            extra = _assignment(text)
        config = merge(config, extra)
    return config


def _assignment(text: str) -> dict[str, object]:
    from rosin.broker.configfile import parse

    key, sep, value = text.partition("=")
    if not sep:
        raise ValueError(f"--conf: '{text}' is neither a file nor KEY=VALUE nor TOML text")
    try:
        return parse(f"{key} = {value}", "--conf")
    except ValueError:
        # A bare word is meant as a string.
        return parse(f'{key} = "{value}"', "--conf")


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = parser(prog)
    args = _arguments(options, argv)
    if args.broker_opts:
        import shlex

        extra = options.parse_args([word for text in args.broker_opts for word in shlex.split(text)])
        args.setattr += extra.setattr
        args.config_path = extra.config_path or args.config_path
        args.verbose += extra.verbose
    if args.test_size != 1:
        raise ValueError(f"--test-size={args.test_size}: this version runs instances of one broker")
    attrs = _attributes(args.setattr)
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
    config = _configuration(args)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if args.noexec:
        print("broker", *(f"-S{name}={value}" for name, value in attrs.items()), *command)
        return 0
    # The collector would walk through half-imported modules again and again; the broker turns it on when
    # it serves.
    gc.disable()
    from rosin.broker.stdio import open_missing
    from rosin.process import credentials
    from rosin.process.zygote import Zygote
    from rosin.shell import PRELOAD

    open_missing()

    # Forked here, before the loop, its threads and sockets exist.
    zygote = Zygote.start(PRELOAD) if sys.platform == "linux" else None
    from rosin.broker.boot import BootOptions, run

    # Taken after the fork: what runs jobs has no part in them.
    secrets = credentials.take()
    return run(BootOptions(command, attrs, config, args.config_path, secrets), zygote)
