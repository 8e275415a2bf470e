# SPDX-License-Identifier: LGPL-3.0-or-later
"""The reference pages ``docs/reference/COMMAND.md``, written from the argument parsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.cli.parsers import load_all

if TYPE_CHECKING:
    import argparse

    from rosin.cli.parsers import CommandEntry

#: The first line of each page.
NOTE = "<!-- Written by docs/generate.py from the command's argument parser; do not edit. -->"


def pages(prog: str = "rosin") -> dict[str, str]:
    """File name -> Markdown, of all commands and of the index."""
    commands = load_all(prog)
    result = {f"{command.words[0]}.md": page(prog, command) for command in commands}
    result["README.md"] = _index(prog, commands)
    return result


def _index(prog: str, commands: list[CommandEntry]) -> str:
    rows = [f"| [{prog} {c.words[0]}]({c.words[0]}.md) | {c.text} |" for c in commands]
    return "\n".join([NOTE, "", "# Commands", "", "| command | what it does |", "|---|---|", *rows, ""])


def page(prog: str, command: CommandEntry) -> str:
    """The page of a command and its subcommands."""
    lines = [NOTE, ""]
    for part in command.walk():
        lines += _section(prog, part)
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(prog: str, command: CommandEntry) -> list[str]:
    lines = [f"{'#' * min(len(command.words), 4)} {prog} {' '.join(command.words)}", ""]
    description = command.parser.description if command.parser else None
    lines += [description or command.text[:1].upper() + command.text[1:] + ".", ""]
    lines += ["```", synopsis(prog, command), "```", ""]
    if command.commands:
        lines += ["| subcommand | what it does |", "|---|---|"]
        lines += [f"| `{sub.words[-1]}` | {_cell(sub.text)} |" for sub in command.commands]
        lines.append("")
    arguments = [(f"`{argument_name(action)}`", action) for action in command.arguments()]
    options = [(f"`{option_name(action)}`", action) for action in command.options() if action.dest != "help"]
    for title, rows in (("argument", arguments), ("option", options)):
        if rows:
            lines += [f"| {title} | meaning |", "|---|---|"]
            lines += [f"| {_cell(name)} | {_cell(help_text(action))} |" for name, action in rows]
            lines.append("")
    if command.parser and command.parser.epilog:
        epilog = command.parser.epilog.rstrip("\n")
        lines += ["```text", epilog, "```", ""] if "\n  " in epilog else [epilog, ""]
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def help_text(action: argparse.Action) -> str:
    """The help of an option or argument; its default and choices are filled in."""
    text = (action.help or "") % {
        **vars(action),
        "prog": "",
        "choices": ", ".join(map(str, action.choices or ())),
    }
    return text[:1].upper() + text[1:]


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    if action.choices:
        return "|".join(map(str, action.choices))
    return action.dest.upper() if action.option_strings else action.dest


def option_name(action: argparse.Action) -> str:
    """``-o, --option=VALUE``."""
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    joint = "=" if action.option_strings[-1].startswith("--") else " "
    value = f"{joint}{_value(action)}"
    return f"{names}[{value}]" if action.nargs == "?" else names + value


def argument_name(action: argparse.Action) -> str:
    """``NAME``, ``[NAME]``, ``NAME...`` or ``[NAME...]``."""
    name = _value(action)
    forms = {"?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}...", "...": f"[{name}...]"}
    return forms.get(str(action.nargs), name)


def synopsis(prog: str, command: CommandEntry) -> str:
    """How the command is called."""
    parser = command.parser
    if parser is not None and parser.usage:
        # Usage may call the command as messages do, rosin-run.
        return (parser.usage % {"prog": parser.prog}).replace(f"{prog}-", f"{prog} ", 1)
    words = [prog, *command.words]
    if command.commands:
        return " ".join([*words, "COMMAND ..."])
    if len(command.options()) > 1:
        words.append("[OPTIONS...]")
    return " ".join([*words, *(argument_name(action) for action in command.arguments())])
