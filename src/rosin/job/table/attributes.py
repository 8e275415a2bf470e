# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 43: the attributes of a listed job.

A job is listed as a *row*: a tuple with its id and one value for each attribute, None for those that have no
value yet. Rows are immutable, so a listing in progress is a consistent snapshot, and an inactive job is kept
as nothing but its row. Annotations and dependencies are JSON text in a row, which is a fraction of the size
of the objects.
"""

from __future__ import annotations

import errno
from operator import itemgetter
from sys import intern
from typing import Any
from zlib import crc32

from rosin import _json
from rosin.errors import FormatError
from rosin.job.fields import ATTRIBUTES as ATTRIBUTES

Row = tuple[Any, ...]

#: Position of each attribute in a row; the job id is at 0.
POSITION = {name: index for index, name in enumerate(("id", *ATTRIBUTES))}

ID = 0
USERID = POSITION["userid"]
STATE = POSITION["state"]
RESULT = POSITION["result"]
T_INACTIVE = POSITION["t_inactive"]

_ENCODED = ("annotations", "dependencies")


#: What rows that were kept are to be read by: rows of another release may mean something else.
SHAPE = f"1-{crc32(','.join(POSITION).encode()):08x}"

#: Texts that many jobs have in common.
_COMMON = tuple(
    POSITION[name]
    for name in ("name", "cwd", "queue", "project", "bank", "ranks", "nodelist", "exception_type")
)


def kept_row(row: Row) -> bytes:
    """A row to be kept, as a line of JSON."""
    return _json.dumps(row)


def recalled_row(values: Any) -> Row:
    """The row that was kept. Raises FormatError."""
    if type(values) is not list or len(values) != len(POSITION) or type(values[ID]) is not int:
        raise FormatError("a job's row is malformed")
    for at in _COMMON:
        if type(values[at]) is str:
            values[at] = intern(values[at])
    return tuple(values)


class Projection:
    """The attributes that a request asks for, as a function from rows to JSON objects.

    ``attrs`` is the request's array: names from :data:`ATTRIBUTES`, or ``all``. The id is always included.
    Raises OSError EINVAL for anything else.
    """

    __slots__ = ("_encoded", "_get", "_keys")

    def __init__(self, attrs: list[Any]) -> None:
        names = {"id": True}
        for attr in attrs:
            if not isinstance(attr, str):
                raise OSError(errno.EINVAL, "attr has no string value")
            if attr == "all":
                names.update(dict.fromkeys(ATTRIBUTES, True))
            elif attr in POSITION:
                names[attr] = True
            else:
                raise OSError(errno.EINVAL, f"{attr} is not a valid attribute")
        self._keys = tuple(names)
        self._encoded = tuple(name for name in _ENCODED if name in names)
        # Always two positions or more, so that the getter returns a tuple; zip() drops the surplus.
        self._get = itemgetter(*(POSITION[name] for name in self._keys), ID)

    def object(self, row: Row) -> dict[str, Any]:
        """One job as it goes into a response."""
        obj = {
            key: value for key, value in zip(self._keys, self._get(row), strict=False) if value is not None
        }
        for key in self._encoded:
            if key in obj:
                obj[key] = _json.loads(obj[key])
        return obj

    def objects(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Many jobs."""
        return [self.object(row) for row in rows]
