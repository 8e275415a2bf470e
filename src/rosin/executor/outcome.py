# SPDX-License-Identifier: LGPL-3.0-or-later
"""What becomes of a call: its value or its exception as data, and how far it is."""

from __future__ import annotations

from typing import Any, NamedTuple

from rosin.errors import FormatError
from rosin.executor import pickled

#: Characters of a traceback and of a message that are sent; the ends are what tells.
_TEXT = 1 << 16


class RemoteTraceback(Exception):
    """The cause of an exception that a call raised in its job: the traceback there, as text."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class RemoteError(Exception):
    """What a call raised, where the exception itself cannot be had here: its type and text.

    It could not be pickled, or not made again of its pickle. ``__cause__`` is the RemoteTraceback.
    """


class WorkerLost(RuntimeError):
    """The job of a call has ended without a result: its process was killed, or could not start."""


class CallProgress(NamedTuple):
    """How far a call is: ``done`` of ``total`` (None: nobody knows), and a ``text``.

    ``rank``: the task that says so.
    """

    done: float
    total: float | None = None
    text: str = ""
    rank: int = 0

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None without a total."""
        return None if not self.total else min(1.0, max(0.0, self.done / self.total))


class CallOutcome(NamedTuple):
    """How a call ended. ``data``: the pickle of the value, or of the exception, or nothing of one that has
    none. ``type``, ``text``, ``trace``: an exception in words.
    """

    ok: bool
    data: bytes
    type: str = ""
    text: str = ""
    trace: str = ""

    @classmethod
    def of_value(cls, value: Any, what: str) -> CallOutcome:
        """That of a call that returned; an exception if the value cannot be pickled."""
        try:
            return cls(True, pickled.dumps_result(value, f"the result of {what}"))
        except Exception as exc:
            return cls.of_exception(exc)

    @classmethod
    def of_exception(cls, exc: BaseException) -> CallOutcome:
        """That of a call that raised."""
        import traceback

        trace = "".join(traceback.format_exception(exc))[-_TEXT:]
        try:
            data = pickled.dumps_result(exc, "the exception")
            pickled.loads(data)  # many an __init__ has other arguments than the exception keeps
        except Exception:
            data = b""  # told in words
        return cls(False, data, type(exc).__qualname__, _text_of(exc), trace)

    def deliver(self) -> Any:
        """The value. Raises the exception, with a :class:`RemoteTraceback` as its cause."""
        if self.ok:
            return pickled.loads(self.data)
        raise self.exception()

    def exception(self) -> BaseException:
        """The exception that :meth:`deliver` raises."""
        exc: BaseException = RemoteError(f"{self.type}: {self.text}" if self.text else self.type)
        try:
            found = pickled.loads(self.data) if self.data else exc
        except Exception:
            found = exc  # of a module that is only where the job ran, say
        if isinstance(found, BaseException):
            exc = found
        exc.__cause__ = RemoteTraceback(self.trace)
        return exc

    def words(self) -> dict[str, Any]:
        """All but the data, for JSON."""
        if self.ok:
            return {"ok": True}
        return {"ok": False, "type": self.type, "text": self.text, "trace": self.trace}

    @classmethod
    def from_words(cls, words: dict[str, Any], data: bytes) -> CallOutcome:
        """The inverse of :meth:`words`. Raises FormatError."""
        texts = [words.get(name, "") for name in ("type", "text", "trace")]
        if type(words.get("ok")) is not bool or not all(isinstance(text, str) for text in texts):
            raise FormatError("malformed outcome of a call")
        return cls(words["ok"], data, *texts)


def _text_of(exc: BaseException) -> str:
    try:
        return str(exc)[:_TEXT]
    except Exception as failure:
        return f"<str() of it raised {type(failure).__name__}>"
