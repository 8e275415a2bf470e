# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 19: job ids as integers that know their spellings."""

from __future__ import annotations

import errno

from rosin.errors import FormatError
from rosin.handle.checks import InvalidArguments
from rosin.rfc import fluid

_MAX = (1 << 64) - 1


class InvalidJobID(OSError, ValueError):
    """EINVAL: text is no job id. flux-core's JobID raises ValueError, and its id_parse OSError."""

    def __str__(self) -> str:
        return str(self.strerror)


def id_parse(jobid_str: str | bytes) -> int:
    """The job id in any spelling of RFC 19. Raises InvalidJobID, TypeError for what is no text."""
    text = jobid_str.decode(errors="replace") if isinstance(jobid_str, bytes) else jobid_str
    if not isinstance(text, str):
        if text is None:
            raise InvalidJobID(errno.EINVAL, "None is not a valid Flux jobid")
        raise InvalidArguments(f"a job id is text or an int, not {type(text)}")
    try:
        return fluid.parse(text)
    except FormatError as exc:
        raise InvalidJobID(errno.EINVAL, f"{text} is not a valid Flux jobid: {exc}") from None


def id_encode(jobid: int, encoding: str = "f58") -> str:
    """A job id as ``dec``, ``hex``, ``dothex``, ``kvs``, ``f58``, ``f58plain``, ``words`` or ``emoji``.

    Raises OverflowError outside of 64 bits and OSError (EPROTO) for another encoding.
    """
    number = _checked(int(jobid))
    try:
        return fluid.encode(number, encoding)
    except FormatError as exc:
        raise OSError(errno.EPROTO, str(exc)) from None


def _checked(number: int) -> int:
    if not 0 <= number <= _MAX:
        raise OverflowError(f"{number} is not a job id: expected 0 to {_MAX}")
    return number


class JobID(int):
    """A job id: an int made from a number or any spelling, with a property for each spelling.

    ``str()`` gives F58. Raises ValueError for text that is no job id, OverflowError outside of 64 bits,
    TypeError for what is neither.
    """

    def __new__(cls, value: int | str | bytes) -> JobID:
        if isinstance(value, int):
            new = super().__new__(cls, value)
            if not 0 <= new <= _MAX:
                _checked(value)
            if isinstance(value, JobID):
                new._orig = value.orig
        else:
            new = super().__new__(cls, id_parse(value))
            new._orig = value if isinstance(value, str) else value.decode()
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
        return fluid.encode(self, "f58")

    def __repr__(self) -> str:
        return f"JobID({int.__repr__(self)})"

    def __format__(self, spec: str) -> str:
        """F58 without a spec and for texts (``s``), else the number, as flux-core's formats show it."""
        return format(str(self), spec) if spec[-1:] in ("", "s") else int.__format__(self, spec)

    def __reduce__(self) -> tuple[type[JobID], tuple[str]]:
        return JobID, (self.orig,)
