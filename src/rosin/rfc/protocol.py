# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 27 and 32: reading the payload of a message that a protocol names, with the name in every error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc.payload import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

#: Highest job id and user id.
MAX_ID = 2**63 - 1
MAX_USERID = 2**32 - 1


def read(message: str, obj: Any, reader: Callable[[dict[str, Any]], T]) -> T:
    """Return what ``reader`` makes of a payload.

    FormatError begins with ``message``: when ``obj`` is not an object, and for each that ``reader`` raises.
    """
    if type(obj) is not dict:
        raise FormatError(f"{message}: expected an object, got {describe(obj)}")
    try:
        return reader(obj)
    except FormatError as error:
        raise FormatError(f"{message}: {str(error).removeprefix('payload: ')}") from None
