# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin completion``: a script that makes a shell complete commands and options."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rosin.cli.subcommands import AdminParser, dispatch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rosin.cli.parsers import CommandEntry

_EPILOG = "To use it: source <(rosin completion bash), the same with zsh, or: rosin completion fish | source"

#: What to ask the instance for, by the name of a value.
_VALUES = """\
_{prog}_values() {{
    case $1 in
        JOBID) {prog} jobs -no '{{id}}' ;;
        QUEUE) {prog} queue list -no '{{queue}}' ;;
        RANK) {prog} resource list -no '{{ranks}}' ;;
        *) echo "$1" ;;
    esac 2>/dev/null
}}
"""

_BASH = """\
_{prog}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path={prog} i
    for (( i = 1; i < COMP_CWORD; i++ )); do
        [[ -n ${{_{prog}_words["$path ${{COMP_WORDS[i]}}"]+x}} ]] && path+=" ${{COMP_WORDS[i]}}"
    done
    local words=${{_{prog}_words["$path"]}} values
    values=$(_{prog}_values "${{_{prog}_takes["$path ${{COMP_WORDS[COMP_CWORD-1]}}"]:-}}")
    # Options only where one begins: else their common "-" is inserted.
    if [[ -n $values ]]; then words=$values
    elif [[ $cur != -* ]]; then
        values=$(_{prog}_values "${{_{prog}_takes["$path"]:-}}")
        words="$(printf '%s\n' $words | grep -v '^-') $values"
    fi
    COMPREPLY=( $(compgen -W "$words" -- "$cur") )
}}
complete -o default -F _{prog} {prog}
"""

_ZSH = """\
_{prog}() {{
    local at={prog} word
    for word in ${{words[2,CURRENT-1]}}; do
        (( ${{+_{prog}_words[$at $word]}} )) && at+=" $word"
    done
    local values=$(_{prog}_values "${{_{prog}_takes[$at $words[CURRENT-1]]}}") all
    if [[ -n $values ]]; then all=(${{=values}})
    elif [[ $words[CURRENT] == -* ]]; then all=(${{=_{prog}_words[$at]}})
    else all=(${{${{=_{prog}_words[$at]}}:#-*}} $(_{prog}_values "${{_{prog}_takes[$at]}}"))
    fi
    compadd -- $all || _files
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
function __{prog}_values
    switch $argv[1]
        case JOBID
            {prog} jobs -no '{{id}}'
        case QUEUE
            {prog} queue list -no '{{queue}}'
        case RANK
            {prog} resource list -no '{{ranks}}'
        case '*'
            string split ' ' -- $argv[1]
    end 2>/dev/null
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


def vocabulary(prog: str, commands: Iterable[CommandEntry]) -> dict[str, list[str]]:
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


def takes(prog: str, commands: Iterable[CommandEntry]) -> dict[str, str]:
    """What each value is: by path for an argument, by path and option for that of an option."""
    kinds: dict[str, str] = {}
    for top in commands:
        for command in top.walk():
            path = _path(prog, command)
            for action in (*command.options(), *command.arguments()):
                kind = _kind(action, command.words)
                for place in [f"{path} {flag}" for flag in action.option_strings] or [path]:
                    if kind:
                        kinds[place] = kind
    return kinds


def _kind(action: argparse.Action, words: tuple[str, ...]) -> str:
    """What a value is: a case of ``_values``, else the words that it can be."""
    if action.dest == "format" and words[0] in ("jobs", "queue", "resource"):
        return " ".join((*_formats(words), "help"))
    if action.dest == "states" and words[0] == "resource":
        from rosin.cli.resource import listing, status

        return " ".join(status.STATES if words[1] == "status" else listing.STATES)
    if action.metavar == "STATE|RESULT":
        return "pending running active inactive completed failed canceled timeout"
    name = str(action.metavar or action.dest).upper().partition(",")[0]
    if action.dest in ("queue", "queues") and action.nargs != 0:
        return "QUEUE"
    return {"JOBID": "JOBID", "JOBIDS": "JOBID", "ID": "JOBID", "QUEUE": "QUEUE", "RANK": "RANK"}.get(
        name, ""
    )


def _formats(words: tuple[str, ...]) -> Iterable[str]:
    """The named formats of a command."""
    from rosin.cli import queue
    from rosin.cli.jobformat import JOBS
    from rosin.cli.resource import options

    if words[0] == "resource":
        return options.FORMATS.get(words[1], ())
    return queue.FORMATS if words[0] == "queue" else JOBS


def _path(prog: str, command: CommandEntry) -> str:
    return " ".join((prog, *command.words))


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def bash(prog: str, commands: Iterable[CommandEntry]) -> str:
    """The script for bash."""
    lines = [f"declare -gA _{prog}_words=("]
    lines += [f'    ["{path}"]="{" ".join(words)}"' for path, words in vocabulary(prog, commands).items()]
    lines += [")", f"declare -gA _{prog}_takes=("]
    lines += [f'    ["{place}"]="{kind}"' for place, kind in takes(prog, commands).items()]
    return "\n".join([*lines, ")", _VALUES.format(prog=prog) + _BASH.format(prog=prog)])


def zsh(prog: str, commands: Iterable[CommandEntry]) -> str:
    """The script for zsh."""
    lines = [f"typeset -gA _{prog}_words=("]
    lines += [f'    "{path}" "{" ".join(words)}"' for path, words in vocabulary(prog, commands).items()]
    lines += [")", f"typeset -gA _{prog}_takes=("]
    lines += [f'    "{place}" "{kind}"' for place, kind in takes(prog, commands).items()]
    return "\n".join([*lines, ")", _VALUES.format(prog=prog) + _ZSH.format(prog=prog)])


def fish(prog: str, commands: Iterable[CommandEntry]) -> str:
    """The script for fish, with descriptions."""
    tops = list(commands)
    paths = [_path(prog, command) for top in tops for command in top.walk()]
    lines = [f"set -g __{prog}_paths {' '.join(map(_quote, paths))}", _FISH.format(prog=prog)]
    lines += [_fish_word(prog, prog, top) for top in tops]
    for top in tops:
        for command in top.walk():
            path = _path(prog, command)
            lines += [_fish_word(prog, path, sub) for sub in command.commands]
            lines += [_fish_option(prog, path, action, command.words) for action in command.options()]
            lines += _fish_arguments(prog, path, command)
    return "\n".join(lines) + "\n"


def _fish_word(prog: str, path: str, command: CommandEntry) -> str:
    condition = _quote(f'__{prog}_path "{path}"')
    return f"complete -c {prog} -f -n {condition} -a {command.words[-1]} -d {_quote(command.text)}"


def _fish_values(prog: str, kind: str) -> str:
    return "-a " + _quote(f'(__{prog}_values "{kind}")')


def _fish_arguments(prog: str, path: str, command: CommandEntry) -> list[str]:
    """What the words behind a command can be."""
    condition = _quote(f'__{prog}_path "{path}"')
    kinds = [_kind(action, command.words) for action in command.arguments()]
    kinds += [" ".join(map(str, action.choices)) for action in command.arguments() if action.choices]
    return [f"complete -c {prog} -f -n {condition} {_fish_values(prog, kind)}" for kind in kinds if kind]


def _fish_option(prog: str, path: str, action: argparse.Action, words: tuple[str, ...]) -> str:
    condition = _quote(f'__{prog}_path "{path}"')
    line = [f"complete -c {prog} -n {condition}"]
    line += [f"-l {flag[2:]}" if flag[:2] == "--" else f"-s {flag[1:]}" for flag in action.option_strings]
    kind = " ".join(map(str, action.choices)) if action.choices else _kind(action, words)
    if kind and action.nargs != 0:
        line += ["-x", _fish_values(prog, kind)]
    elif action.nargs is None:
        line.append("-r")
    return " ".join([*line, "-d", _quote(action.help or "")])


def _completion(args: argparse.Namespace) -> None:
    from rosin.cli.parsers import load_all

    prog = args.prog.partition("-")[0]
    make = {"bash": bash, "zsh": zsh, "fish": fish}[args.shell]
    sys.stdout.write(make(prog, load_all(prog)))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
