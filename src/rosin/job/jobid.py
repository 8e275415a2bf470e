# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19: job ids as integers that know their spellings."""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc import fluid


def id_parse(text: str) -> int:
    """The job id in any spelling of RFC 19. Raises ValueError."""
    try:
        return fluid.parse(text)
    except FormatError as exc:
        raise ValueError(f"{text} is not a valid Flux jobid: {exc}") from None


def id_encode(jobid: int, encoding: str = "f58") -> str:
    """A job id as ``dec``, ``hex``, ``dothex``, ``kvs``, ``f58``, ``f58plain``, ``words`` or ``emoji``."""
    return fluid.encode(int(jobid), encoding)


class JobID(int):
    """A job id: an int made from a number or any spelling, with a property for each spelling.

    ``str()`` gives F58. Raises ValueError for text that is no job id.
    """

    def __new__(cls, value: int | str) -> JobID:
        if isinstance(value, str):
            new = super().__new__(cls, id_parse(value))
            new._orig = value
        else:
            new = super().__new__(cls, value)
            if isinstance(value, JobID):
                new._orig = value.orig
        return new

    _orig = ""

    @property
    def orig(self) -> str:
        """The text that it was made from."""
        return self._orig or int.__repr__(self)

    def encode(self, encoding: str = "dec") -> str:
        """This id in another spelling, see :func:`id_encode`."""
        return id_encode(self, encoding)

    @property
    def dec(self) -> str:
        return int.__repr__(self)

    @property
    def f58(self) -> str:
        return id_encode(self, "f58")

    @property
    def f58plain(self) -> str:
        return id_encode(self, "f58plain")

    @property
    def hex(self) -> str:
        return id_encode(self, "hex")

    @property
    def dothex(self) -> str:
        return id_encode(self, "dothex")

    @property
    def words(self) -> str:
        return id_encode(self, "words")

    @property
    def emoji(self) -> str:
        return id_encode(self, "emoji")

    @property
    def kvs(self) -> str:
        return id_encode(self, "kvs")

    def __str__(self) -> str:
        return id_encode(self, "f58") if self >= 0 else int.__repr__(self)

    def __repr__(self) -> str:
        return f"JobID({int.__repr__(self)})"

    def __format__(self, spec: str) -> str:
        """Integer format codes see the number, everything else the F58 text."""
        return int.__format__(self, spec) if spec[-1:] and spec[-1] in "bcdoxXn" else format(str(self), spec)

    def __reduce__(self) -> tuple[type[JobID], tuple[str]]:
        return JobID, (self.orig,)
