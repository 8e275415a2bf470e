# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the front end does besides its own commands: options before one, and programs that are commands."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rosin.handle.flux import Flux

#: Commands of flux-core that are not here; a mistyped word is not what was meant.
NOT_HERE = frozenset(("slurm-expiration-sync",))

#: The options that come before a command.
OPTIONS = ("-p", "--parent", "-r", "--root", "-v", "--verbose")


def find(name: str, prog: str) -> str | None:
    """The program that is the command ``name``: ``rosin-NAME``, else ``flux-NAME``; as ``flux`` the reverse.

    It is looked for in FLUX_EXEC_PATH_PREPEND, FLUX_EXEC_PATH and PATH, and beside the interpreter, where pip
    puts the programs of packages; a name with a slash is a program.
    """
    if "/" in name:
        return name
    return next(filter(_is_program, _candidates(name, prog)), None)


def _places() -> list[str]:
    variables = ("FLUX_EXEC_PATH_PREPEND", "FLUX_EXEC_PATH", "PATH")
    places = [place for variable in variables for place in os.environ.get(variable, "").split(":") if place]
    return [*places, os.path.dirname(sys.executable)]


def _candidates(name: str, prog: str) -> Iterator[str]:
    """What :func:`find` tries, in this order."""
    for front in (prog, "flux" if prog == "rosin" else "rosin"):
        for place in _places():
            yield os.path.join(place, f"{front}-{name}")


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def tell(name: str, prog: str, known: Collection[str]) -> None:
    """Print the environment of a command, and for one that is a program where it is looked for (``-v``)."""
    from rosin.cli.env import environment

    print(*(f"{variable}={value}" for variable, value in environment().items()), sep="\n", flush=True)
    if name in known or name == "help" or name[:1] == "-" or "/" in name:
        return
    print(f"sub-command search path: {':'.join(_places())}", flush=True)
    for path in _candidates(name, prog):
        sys.stderr.write(f"{prog}: trying to exec {path}\n")
        if _is_program(path):
            return


def execute(path: str, args: list[str]) -> NoReturn:
    """Become a program. Raises OSError that names it."""
    sys.stdout.flush()
    try:
        os.execv(path, [path, *args])
    except OSError as exc:
        if exc.errno == errno.ENOEXEC:
            text = f"{path}: {exc.strerror}: a script begins with #! and its interpreter"
            raise OSError(exc.errno, text) from None
        raise OSError(exc.errno, f"{path}: {exc.strerror}") from None


def ancestor(root: bool) -> None:
    """Let commands talk to the parent of the enclosing instance, or to its root.

    The root instance is its own parent, as for flux-core.
    """
    from rosin.cli.base import connect

    while True:
        with connect() as h:
            uri, namespace = (_attribute(h, name) for name in ("parent-uri", "parent-kvs-namespace"))
        if not uri:
            return
        os.environ["FLUX_URI"] = uri
        os.environ.pop("FLUX_KVS_NAMESPACE", None)
        if namespace:
            os.environ["FLUX_KVS_NAMESPACE"] = namespace
        if not root:
            return


def _attribute(h: Flux, name: str) -> str:
    try:
        return h.attr_get(name)
    except OSError as exc:
        if exc.errno != errno.ENOENT:
            raise
        return ""


def options(args: list[str], prog: str, known: Collection[str]) -> list[str]:
    """Obey the options before a command; returns the command and its arguments. Raises OSError."""
    at, verbose = 0, False
    while at < len(args) and args[at] in OPTIONS:
        if args[at] in ("-v", "--verbose"):
            verbose = True
        else:
            ancestor(args[at] in ("-r", "--root"))
        at += 1
    if verbose and at < len(args):
        tell(args[at], prog, known)
    return args[at:]


def unknown(prog: str, name: str, known: Collection[str]) -> int:
    """Say that there is no such command, and which was meant; the exit code."""
    if name[:1] == "-":
        sys.stderr.write(f"{prog}: unrecognized option '{name}'\nTry '{prog} --help' for more information.\n")
        return 2
    if name in NOT_HERE:
        sys.stderr.write(f"{prog}: '{name}' is a command of flux-core that Rosin does not have yet\n")
        return 1
    sys.stderr.write(f"{prog}: '{name}' is not a {prog} command. See '{prog} --help'\n")
    from rosin.cli.job import SUBCOMMANDS

    similar = [f"job {name}"] if name in SUBCOMMANDS else _nearest(name[:64], {*known, *NOT_HERE})
    if similar:
        sys.stderr.write("Did you mean: " + ", ".join(similar) + "?\n")
    return 1


def _nearest(name: str, known: Collection[str]) -> list[str]:
    """The known names that the fewest changes of a letter lead to, at most three, as flux-core has it."""
    distances = {word: _distance(name, word) for word in known}
    least = min(distances.values())
    return [word for word in sorted(known) if distances[word] == least <= 3]


def _distance(a: str, b: str) -> int:
    """How many letters must be added, removed or replaced to make *b* of *a* (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != other))
    return row[-1]
