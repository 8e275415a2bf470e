# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the commands share: argument parsers, messages, output."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rosin.handle.flux import Flux


#: What a job id looks like, for messages.
JOBID_FORM = "an id as 'jobs' prints it, or a number, as in f2Hb4sKD or 1234"
#: What a duration looks like, for messages.
DURATION_FORM = "a number with a unit, as in 90s, 1.5h, 2d"
#: What the values of options are, by the name of their type.
_ACCEPTED = {
    "JobID": JOBID_FORM,
    "duration": DURATION_FORM,
    "float": "a number, as in 1.5",
    "int": "a whole number, as in 10",
}


class Parser(argparse.ArgumentParser):
    """An argument parser without abbreviations of options.

    With :meth:`parse_command` options end at the first word that is not one: what follows belongs to the
    command that is to be run.
    """

    def __init__(self, prog: str, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _formatter)
        super().__init__(prog, allow_abbrev=False, **kwargs)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """A word that this parser does not know is an error of its own, told with its own usage.

        argparse hands such words up to the parser of the command, which prints the wrong usage.
        """
        namespace, extra = super().parse_known_args(args, namespace)
        if extra:
            self.unrecognized(extra)
        return namespace, extra

    def unrecognized(self, words: list[str]) -> NoReturn:
        """Report words that have no meaning here."""
        self.error(f"unrecognized arguments: {' '.join(words)}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Convert the value of an option; an error says what it takes, too."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as exc:
            accepted = _ACCEPTED.get(getattr(action.type, "__name__", ""))
            if accepted is None:
                raise
            raise argparse.ArgumentError(action, f"{exc.message}: it takes {accepted}") from None

    def parse_command(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse options; the words of the command are ``args.command`` (a leading ``--`` is dropped)."""
        end = self._options_end(argv)
        args = self.parse_args(list(argv[:end]))
        args.command = list(argv[end:])
        if args.command[:1] == ["--"]:
            del args.command[0]
        return args

    def _options_end(self, argv: Sequence[str]) -> int:
        """Index of the first word that is no option and no option's argument."""
        at = 0
        while at < len(argv):
            word = argv[at]
            if word == "--" or len(word) < 2 or word[0] != "-":
                return at
            at += 1
            action = self._option_string_actions.get(word)
            if action is not None:
                at += self._arguments(action)
            elif word[1] != "-":
                at += self._clustered(word)
        return at

    def _arguments(self, action: argparse.Action) -> int:
        """How many of the following words an option takes: an optional argument needs ``=``."""
        return 1 if action.nargs is None else action.nargs if isinstance(action.nargs, int) else 0

    def _clustered(self, word: str) -> int:
        """The same for flags in one word (``-xl``), the last of which may take an argument."""
        for place, flag in enumerate(word[1:], 1):
            action = self._option_string_actions.get(f"-{flag}")
            if action is None:
                return 0
            if action.nargs != 0:
                return self._arguments(action) if place == len(word) - 1 else 0
        return 0


_width: int | None = None


def _formatter(prog: str) -> argparse.HelpFormatter:
    """The layout of help texts.

    argparse makes one for every option that is added; it must not look for the terminal each time.
    """
    global _width
    if _width is None:
        import os

        try:
            _width = (int(os.environ.get("COLUMNS") or os.get_terminal_size().columns) or 80) - 2
        except (OSError, ValueError):
            _width = 78
    return argparse.HelpFormatter(prog, max_help_position=36, width=_width)


def optional_argument(const: Any, **kwargs: Any) -> dict[str, Any]:
    """Keywords of an option ``--name[=VALUE]`` that stands for ``const`` without a value."""
    return {"nargs": "?", "const": const, **kwargs}


class Append(argparse.Action):
    """Append a value to the list of another option, with a prefix (``--env-remove=X`` is ``--env=-X``)."""

    def __init__(self, *args: Any, prefix: str = "", convert: Callable[[str], str] = str, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._prefix = prefix
        self._convert = convert

    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_option: Any
    ) -> None:
        items = list(getattr(namespace, self.dest) or ())
        items.append(self._prefix + self._convert(values))
        setattr(namespace, self.dest, items)


class Words(argparse.Action):
    """Collect comma-separated words of all uses in one list."""

    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_option: Any
    ) -> None:
        items = list(getattr(namespace, self.dest) or ())
        items += [word for word in values.split(",") if word]
        setattr(namespace, self.dest, items)


def duration(text: str) -> float:
    """Type of an option whose value is a Flux Standard Duration (RFC 23): seconds."""
    from rosin.rfc import fsd

    try:
        return fsd.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid Flux standard duration '{text}'") from None


def add_color(parser: argparse.ArgumentParser) -> None:
    """Add ``--color[=WHEN]``; ask :func:`rosin.cli.colour.use_color` about it."""
    parser.add_argument(
        "--color",
        nargs="?",
        const="always",
        default="auto",
        choices=("never", "always", "auto"),
        metavar="WHEN",
        help="color the output: 'never', 'always' or 'auto' (only on a terminal)",
    )


def utf8_output() -> None:
    """Write UTF-8 whatever the locale is; bytes that are not UTF-8 pass through."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="surrogateescape")


def error(prog: str, text: object) -> None:
    """Report a failure, and go on."""
    sys.stdout.flush()
    sys.stderr.write(f"{prog}: ERROR: {text}\n")


def warning(prog: str, text: object) -> None:
    """Report something that may be a mistake."""
    sys.stderr.write(f"{prog}: WARNING: {text}\n")


def fail(prog: str, text: object, code: int = 1) -> NoReturn:
    """Report a failure and end the program."""
    error(prog, text)
    raise SystemExit(code)


def die(prog: str, text: object, code: int = 1) -> NoReturn:
    """The same in the style of flux-core's C commands: ``flux-job: text``."""
    sys.stdout.flush()
    sys.stderr.write(f"{prog}: {text}\n")
    raise SystemExit(code)


def reason(exc: BaseException) -> str:
    """The text of an exception without Python's ``[Errno N]``."""
    return str(getattr(exc, "strerror", None) or exc)


class NotText(ValueError):
    """A word of the user holds bytes that are not UTF-8, which JSON, and so no Flux message, can hold."""


def require_text(what: str, text: str) -> None:
    """Raise NotText if ``text``, a word of the command line or a path, is not UTF-8."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
        raise NotText(f"{what}: '{shown}' is not UTF-8, and jobs are described in UTF-8 only") from None


def cause(exc: BaseException) -> str:
    """The text of a ValueError for users."""
    if isinstance(exc, UnicodeEncodeError):
        text = exc.object  # perhaps a whole JSON text: the string in it is what the user knows
        word = text[text.rfind('"', 0, exc.start) + 1 : text.find('"', exc.end) % (len(text) + 1)]
        shown = word.encode(errors="surrogateescape").decode(errors="backslashreplace")
        return f"'{shown if len(shown) < 200 else shown[:200] + '...'}' is not UTF-8"
    if isinstance(exc, UnicodeDecodeError):
        return f"the input is not UTF-8 (at byte {exc.start})"
    return str(exc)


def connect(uri: str | None = None) -> Flux:
    """Open a handle to the enclosing instance. Raises OSError."""
    from rosin.handle.flux import Flux

    return Flux(uri)


def ascii_ids() -> bool:
    """Whether job ids must be written with ``f`` because the locale, or the user, asks for ASCII."""
    import os
    from _locale import CODESET, nl_langinfo

    return "FLUX_F58_FORCE_ASCII" in os.environ or nl_langinfo(CODESET).upper() not in ("UTF-8", "UTF8")


def id_text(jobid: int) -> str:
    """A job id as commands print it: F58."""
    from rosin.rfc.fluid import encode

    return encode(int(jobid), "f58plain" if ascii_ids() else "f58")
