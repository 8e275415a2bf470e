# SPDX-License-Identifier: LGPL-3.0-or-later
"""The one error that every decoder raises.

Failed RPCs raise :class:`OSError` with the errno and text of the response (RFC 6), so that callers can
write ``except FileNotFoundError``; nothing in Rosin defines another error for them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class FormatError(ValueError):
    """Input that does not follow its RFC.

    The text is one line that names the place and the cause (``hostlist: unbalanced '[' at column 5``).
    A service answers it as EPROTO.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the most similar known one, if there is any."""
    from difflib import get_close_matches

    similar = get_close_matches(name, list(known), 1)
    return f"; did you mean {similar[0]}?" if similar else ""


def needs_package(what: str, package: str, extra: str) -> OSError:
    """ENOTSUP for what needs a package that is not installed; ``extra`` of Rosin brings it."""
    from errno import ENOTSUP

    return OSError(ENOTSUP, f"{what} needs the Python package {package}: pip install 'rosin[{extra}]'")
