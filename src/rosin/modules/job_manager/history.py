# SPDX-License-Identifier: LGPL-3.0-or-later
"""The order in which each user submitted jobs (``job-manager.history.get``), newest first."""

from __future__ import annotations

import errno
from bisect import bisect_left, insort


class History:
    """Job ids by user; they ascend in the order of submission, whatever is done to the wall clock."""

    __slots__ = ("_users",)

    def __init__(self) -> None:
        self._users: dict[int, list[int]] = {}

    def add(self, userid: int, id: int) -> None:
        """Note that *userid* submitted job *id*."""
        insort(self._users.setdefault(userid, []), id)

    def discard(self, userid: int, id: int) -> None:
        """Forget job *id*, which has been purged."""
        jobs = self._users.get(userid, [])
        index = bisect_left(jobs, id)
        if index < len(jobs) and jobs[index] == id:
            del jobs[index]
            if not jobs:
                del self._users[userid]

    def get(self, userid: int, text: str) -> list[int]:
        """The ids that the Python slice *text* (``[0:10]``) takes from a user's jobs, newest first.

        Raises OSError EINVAL when *text* is not a slice.
        """
        cut = parse_slice(text)
        jobs = self._users.get(userid, [])
        return jobs[::-1][cut]


def parse_slice(text: str) -> slice:
    """A slice object from ``[start:stop:step]``. Raises OSError EINVAL."""
    parts = text[1:-1].split(":") if text[:1] == "[" and text[-1:] == "]" else []
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or (len(numbers) == 3 and numbers[2] == 0):
        raise OSError(errno.EINVAL, "could not parse python-style slice expression")
    return slice(*numbers)
