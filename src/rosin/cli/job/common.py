# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the subcommands of ``rosin job`` share."""

from __future__ import annotations

import sys

from rosin.cli.base import JOBID_FORM, die

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def parse_jobid(prog: str, text: str) -> int:
    """A job id in any spelling; ends the program if it is none."""
    from rosin.rfc.fluid import parse

    try:
        return parse(text)
    except ValueError:
        die(prog, f'error parsing jobid: "{text}": it takes {JOBID_FORM}')


def state_mask(prog: str, text: str) -> int:
    """The mask of comma-separated state names, the argument of ``--states``."""
    from rosin.rfc.states import parse_state

    mask = 0
    for name in text.split(","):
        try:
            mask |= parse_state(name)
        except ValueError:
            die(
                prog,
                f"error parsing --states: {name} is unknown: it takes states, as in pending,RUN,inactive",
            )
    return mask


def words(args: Iterable[str]) -> Iterator[str]:
    """The arguments, or without any the words of standard input."""
    found = False
    for word in args:
        found = True
        yield word
    if not found:
        for line in sys.stdin:
            yield from line.split()


def username_to_id(prog: str, text: str) -> int:
    """The id of a user by name, number, or ``all`` (FLUX_USERID_UNKNOWN)."""
    from rosin.constants import FLUX_USERID_UNKNOWN

    if text == "all":
        return FLUX_USERID_UNKNOWN
    if text.isdecimal():
        return int(text)
    import pwd

    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        die(prog, f"unknown user {text}: it takes a user's name or number, or all")
