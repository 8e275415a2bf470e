# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the commands share: argument parsers, messages, output."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from rosin.cli.declarations import Declarations
    from rosin.handle.flux import Flux


#: What a job id looks like, for messages.
JOBID_FORM = "an id as 'jobs' prints it, or a number, as in f2Hb4sKD or 1234"
#: What a duration looks like, for messages.
DURATION_FORM = "a number with a unit, as in 90s, 1.5h, 2d"


def optional_argument(const: Any, **kwargs: Any) -> dict[str, Any]:
    """Keywords of an option ``--name[=VALUE]`` that stands for ``const`` without a value."""
    return {"nargs": "?", "const": const, **kwargs}


def duration(text: str) -> float:
    """Type of an option whose value is a Flux Standard Duration (RFC 23): seconds."""
    from rosin.rfc import fsd

    try:
        return fsd.parse(text)
    except ValueError:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"invalid Flux standard duration '{text}'") from None


def add_color(parser: Declarations, *short: str) -> None:
    """Add ``--color[=WHEN]``, and its *short* name; ask :func:`rosin.cli.colour.use_color` about it."""
    parser.add_argument(
        *short,
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
