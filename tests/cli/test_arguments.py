# SPDX-License-Identifier: LGPL-3.0-or-later
"""A plain command line means what it means to argparse, for every command."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rosin.cli.arguments import Namespace, Parser
from rosin.cli.main import COMMANDS
from rosin.cli.plain import Plain

GOOD = ["a", "b,c", "1", "10s", "f2Hb4sKD"]
VALUES = ["a", "b,c", "x=y", "1", "2.5", "10s", "f2Hb4sKD", "0-3", "", "-", "-1", "--", "-x=1", "a b", "none"]

#: Their plugins add options, so argparse itself reads them.
OPEN = {"job-frobnicator", "job-validator"}


class Caught(BaseException):
    pass


def declared() -> Iterator[tuple[str, Parser]]:
    """The parser of each command; each of those that a command has for its subcommands."""

    def catch(self: Parser, *_args: object) -> Namespace:
        raise Caught(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "_parse", catch)
        for name in sorted(COMMANDS.keys() - OPEN):
            module = import_module(f"rosin.cli.{COMMANDS[name][0]}")
            for sub in getattr(module, "SUBCOMMANDS", [""]):
                try:
                    module.main([sub, "--help"] if sub else ["--help"], f"rosin-{name}")
                except Caught as caught:
                    yield f"{name} {sub}".rstrip(), caught.args[0]


def leaves(parser: Parser, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Plain]]:
    """The subcommands that have none themselves."""
    plain = Plain(parser)
    if plain._commands is None:
        yield before, plain
    for name, sub in (plain._commands or {}).items():
        assert isinstance(sub, Parser)
        yield from leaves(sub, (*before, name))


PARSERS = dict(declared())
LEAVES = [
    pytest.param(parser, before, plain, id=" ".join((name, *before)))
    for name, parser in PARSERS.items()
    for before, plain in leaves(parser)
]


def plain_lines(plain: Plain) -> st.SearchStrategy[list[list[str]]]:
    """Lines of which many are plain."""
    parts = [
        [name] for name, option in plain.options.items() if option.nargs == 0 and option.action != "help"
    ]
    for name, option in plain.options.items():
        if option.nargs in (None, "?"):
            good = [*map(str, option.keywords.get("choices", ())), *GOOD]
            parts += [[f"{name}{'=' if name[:2] == '--' else ''}{value}"] for value in good]
            parts += [[name, value] for value in good]
    choices = [str(word) for argument in plain.positionals for word in argument.keywords.get("choices", ())]
    operands = st.lists(st.sampled_from([[value] for value in choices or GOOD]), max_size=3)
    options = st.lists(st.sampled_from(parts), max_size=3) if parts else st.just([])
    return st.tuples(options, operands, options).map(lambda three: [*three[0], *three[1], *three[2]])


def odd_lines(plain: Plain) -> st.SearchStrategy[list[list[str]]]:
    """Any lines of words that may mean something."""
    names = list(plain.options)
    short = [name for name in names if len(name) == 2]
    parts = [[name] for name in names] + [[value] for value in VALUES]
    parts += [[name, value] for name in names for value in VALUES]
    parts += [[f"{name}={value}"] for name in names for value in VALUES[:5]]
    parts += [[f"{name}{value}"] for name in short for value in VALUES[:5]]
    parts += [[f"{one}{two[1:]}"] for one in short for two in short]
    return st.lists(st.sampled_from(parts), max_size=4)


def meaning(parser: argparse.ArgumentParser, argv: list[str]) -> object:
    try:
        return vars(parser.parse_args(argv, Namespace()))
    except (SystemExit, ValueError, OSError) as exc:
        return exc


@pytest.mark.parametrize(("parser", "before", "plain"), LEAVES)
def test_plain_lines_mean_the_same(parser: Parser, before: tuple[str, ...], plain: Plain) -> None:
    original = parser.argparser()

    @settings(max_examples=60)
    @given(plain_lines(plain) | odd_lines(plain))
    def check(parts: list[list[str]]) -> None:
        argv = [*before, *(word for part in parts for word in part)]
        values = Plain(parser).parse(argv)
        assert values is None or values == meaning(original, argv)

    check()


@pytest.mark.parametrize(
    "line",
    [
        "getattr rundir",
        "setattr -f log-level 7",
        "lsattr --values",
        "logger -s debug some words",
        "logger --severity=debug",
        "kvs get a.b",
        "kvs put a=1 b=2",
        "kvs put -N ns a=1",
        "ping -c1 kvs",
        "ping --count=3 --interval 0.1 kvs",
        "job id f2Hb4sKD",
        "jobs -no {id}",
        "cancel f2Hb4sKD",
        "submit -n2 -N 1 --cwd=/tmp",
        "run -n1 --label-io",
        "module list",
        "version",
        "queue status batch",
        "cancel --all -S pending",
        "submit --env-remove=X --env=Y=1 --begin-time=+1h",
        "start -v -S log-level=7 sh -c true -- -x",
        "broker",
        "cron interval -c3 1h date -u",
    ],
)
def test_usual_lines_are_plain(line: str) -> None:
    name, *argv = line.split()
    if argv and f"{name} {argv[0]}" in PARSERS:
        name += f" {argv.pop(0)}"
    assert Plain(PARSERS[name]).parse(argv) is not None


@pytest.mark.parametrize("line", [["--help"], ["-x"], [], ["a", "b"], ["--", "a"], ["a", "--verb"]])
def test_errors_and_help_are_for_argparse(line: list[str]) -> None:
    assert Plain(PARSERS["getattr"]).parse(line) is None


def test_a_line_is_parsed_from_its_beginning_by_argparse() -> None:
    parser = Parser("rosin-x")
    parser.add_argument("--tag", action="append", default=["first"])
    parser.add_argument("word", nargs="*")
    for line in (["--tag=a", "x"], ["--tag=a", "--", "x"], ["x", "--tag", "a"]):
        assert vars(parser.parse_args(line)) == {"tag": ["first", "a"], "word": ["x"]}
    assert parser.parse_command(["--tag", "a", "x", "-y"]).command == ["x", "-y"]
