# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin completion``: a script that makes a shell complete commands and options."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rosin.cli.parsers import Command

_EPILOG = "To use it: source <(rosin completion bash), the same with zsh, or: rosin completion fish | source"

_BASH = """\
_{prog}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path={prog} i
    for (( i = 1; i < COMP_CWORD; i++ )); do
        [[ -n ${{_{prog}_words["$path ${{COMP_WORDS[i]}}"]+x}} ]] && path+=" ${{COMP_WORDS[i]}}"
    done
    COMPREPLY=( $(compgen -W "${{_{prog}_words["$path"]}}" -- "$cur") )
}}
complete -o default -F _{prog} {prog}
"""

_ZSH = """\
_{prog}() {{
    local at={prog} word
    for word in ${{words[2,CURRENT-1]}}; do
        (( ${{+_{prog}_words[$at $word]}} )) && at+=" $word"
    done
    compadd -- ${{=_{prog}_words[$at]}} || _files
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}
compdef _{prog} {prog}
"""

_FISH = """\
function __{prog}_path
    set -l path {prog}
    for word in (commandline -opc)[2..]
        contains -- "$path $word" $__{prog}_paths; and set path "$path $word"
    end
    test "$path" = "$argv[1]"
end
"""


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog, "Print a script that makes a shell complete commands and options.", epilog=_EPILOG
    )
    result.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    result.set_defaults(run=_completion)
    return result


def vocabulary(prog: str, commands: Iterable[Command]) -> dict[str, list[str]]:
    """What can follow each path of commands, such as ``rosin kvs get``."""
    words: dict[str, list[str]] = {prog: ["--help", "--version"]}
    for top in commands:
        words[prog].append(top.words[0])
        for command in top.walk():
            names = [sub.words[-1] for sub in command.commands]
            flags = [flag for action in command.options() for flag in action.option_strings]
            choices = [str(c) for arg in command.arguments() for c in arg.choices or ()]
            words[_path(prog, command)] = names + choices + flags
    return words


def _path(prog: str, command: Command) -> str:
    return " ".join((prog, *command.words))


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def bash(prog: str, commands: Iterable[Command]) -> str:
    """The script for bash."""
    lines = [f"declare -gA _{prog}_words=("]
    lines += [f'    ["{path}"]="{" ".join(words)}"' for path, words in vocabulary(prog, commands).items()]
    return "\n".join([*lines, ")", _BASH.format(prog=prog)])


def zsh(prog: str, commands: Iterable[Command]) -> str:
    """The script for zsh."""
    lines = [f"typeset -gA _{prog}_words=("]
    lines += [f'    "{path}" "{" ".join(words)}"' for path, words in vocabulary(prog, commands).items()]
    return "\n".join([*lines, ")", _ZSH.format(prog=prog)])


def fish(prog: str, commands: Iterable[Command]) -> str:
    """The script for fish, with descriptions."""
    tops = list(commands)
    paths = [_path(prog, command) for top in tops for command in top.walk()]
    lines = [f"set -g __{prog}_paths {' '.join(map(_quote, paths))}", _FISH.format(prog=prog)]
    lines += [_fish_word(prog, prog, top) for top in tops]
    for top in tops:
        for command in top.walk():
            path = _path(prog, command)
            lines += [_fish_word(prog, path, sub) for sub in command.commands]
            lines += [_fish_option(prog, path, action) for action in command.options()]
    return "\n".join(lines) + "\n"


def _fish_word(prog: str, path: str, command: Command) -> str:
    condition = _quote(f'__{prog}_path "{path}"')
    return f"complete -c {prog} -f -n {condition} -a {command.words[-1]} -d {_quote(command.text)}"


def _fish_option(prog: str, path: str, action: argparse.Action) -> str:
    condition = _quote(f'__{prog}_path "{path}"')
    words = [f"complete -c {prog} -n {condition}"]
    words += [f"-l {flag[2:]}" if flag[:2] == "--" else f"-s {flag[1:]}" for flag in action.option_strings]
    if action.nargs is None:
        words.append("-r")
    return " ".join([*words, "-d", _quote(action.help or "")])


def _completion(args: argparse.Namespace) -> None:
    from rosin.cli.parsers import load_all

    prog = args.prog.partition("-")[0]
    make = {"bash": bash, "zsh": zsh, "fish": fish}[args.shell]
    sys.stdout.write(make(prog, load_all(prog)))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
