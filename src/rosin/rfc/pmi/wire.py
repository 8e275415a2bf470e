# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the grammar of the simple PMI version 1 wire protocol, and the process mapping.

A message is one line of ``key=value`` tuples; only the spawn request takes several. The two sides are
:class:`rosin.rfc.pmi.server.Server` and :class:`rosin.rfc.pmi.client.PmiClient`; neither does any I/O.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe
from rosin.rfc.taskmap import TaskMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.rfc.idset import Idset

#: Sizes that flux-core's servers announce; like those of a C buffer they count a final NUL.
NAME_MAX = 64
KEY_MAX = 64
VALUE_MAX = 1024
#: Longest line that is taken; what is too long for the sizes above is answered with a return code.
MAX_LINE = 1 << 16
#: Most bytes of one spawn request.
MAX_SPAWN = 1 << 20

#: Name of the key with the process mapping.
MAPPING_KEY = "PMI_process_mapping"

#: Return code: its name in the API. :func:`error_name` names any.
CODES = {
    0: "PMI_SUCCESS",
    -1: "PMI_FAIL",
    1: "PMI_ERR_INIT",
    2: "PMI_ERR_NOMEM",
    3: "PMI_ERR_INVALID_ARG",
    4: "PMI_ERR_INVALID_KEY",
    5: "PMI_ERR_INVALID_KEY_LENGTH",
    6: "PMI_ERR_INVALID_VAL",
    7: "PMI_ERR_INVALID_VAL_LENGTH",
    8: "PMI_ERR_INVALID_LENGTH",
    9: "PMI_ERR_INVALID_NUM_ARGS",
    10: "PMI_ERR_INVALID_ARGS",
    11: "PMI_ERR_INVALID_NUM_PARSED",
    12: "PMI_ERR_INVALID_KEYVALP",
    13: "PMI_ERR_INVALID_SIZE",
}
FAIL = -1
ERR_INVALID_KEY = 4
ERR_INVALID_KEY_LENGTH = 5
ERR_INVALID_VAL_LENGTH = 7
ERR_INVALID_LENGTH = 8

_TO_THE_END = ("value", "msg", "error_msg")
_BLANK = " \t"


def error_name(code: int) -> str:
    """Return the name of a return code, or the number as text when the API has no name for it."""
    return CODES.get(code, str(code))


def parse(line: str) -> dict[str, str]:
    """Take a line, with or without its newline, apart: ``cmd=put key=a value=x=y z`` as a dict.

    Tuples may be in any order and have any blanks between them. ``value``, ``msg`` and ``error_msg`` take
    the rest of the line; every other value ends at a blank and may hold ``=``, as in flux-core. The first of
    two tuples with the same key counts. FormatError names the column.
    """
    text = line[:-1] if line.endswith("\n") else line
    if len(line) > MAX_LINE:
        raise FormatError(f"pmi: a line of {len(line)} characters is longer than {MAX_LINE}")
    if "\n" in text or "\0" in text:
        raise FormatError("pmi: a message takes exactly one line")
    if not text.isascii():
        refuse_surrogates(text)
    head, found, value = text.partition(" value=")
    if "\t" in text or "msg=" in head or head.startswith("value="):
        return _parse_any(text)
    words: dict[str, str] = {}
    for part in head.split(" "):
        name, equals, rest = part.partition("=")
        if name and equals:
            words.setdefault(name, rest)
        elif part:
            return _parse_any(text)  # which tells the column
    if found:
        words["value"] = value
    return words


def refuse_surrogates(text: str) -> None:
    """Raises FormatError for what UTF-8 cannot hold, as half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(f"pmi: no text at column {error.start + 1}") from None


def _parse_any(text: str) -> dict[str, str]:
    """Parse a line tuple by tuple."""
    words: dict[str, str] = {}
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in _BLANK:
            at += 1
        if at == end:
            return words
        equals = text.find("=", at)
        name = text[at:equals]
        if equals <= at or " " in name or "\t" in name:
            raise FormatError(f"pmi: expected key=value at column {at + 1} of {describe(text)}")
        stop = end if name in _TO_THE_END else equals
        while stop < end and text[stop] not in _BLANK:
            stop += 1
        words.setdefault(name, text[equals + 1 : stop])
        at = stop


def encode(words: dict[str, str | int]) -> str:
    """Write the tuples *words* in their order as a line with its newline.

    FormatError: a blank, a control character or an empty value where the grammar asks for a word; a tuple
    after ``value``, ``msg`` or ``error_msg``, which take the rest of the line.
    """
    parts = []
    last = next(reversed(words), "")
    for name, value in words.items():
        text = str(value)
        if name in _TO_THE_END and name != last:
            raise FormatError(f"pmi: {name} must be the last key of a message")
        if not (is_string(text) if name in _TO_THE_END else is_word(text)):
            raise FormatError(f"pmi: {name}: {describe(text)} cannot be sent")
        parts.append(f"{name}={text}")
    return " ".join(parts) + "\n"


def is_word(text: str) -> bool:
    """Tell whether *text* is a word of the protocol: printable, without blanks, not empty."""
    return bool(text) and text.isprintable() and " " not in text


def is_string(text: str) -> bool:
    """Tell whether *text* may stand at the end of a line: printable, blanks and tabs, perhaps empty."""
    return text.isprintable() or text.replace("\t", "").isprintable()


def integer(words: dict[str, str], key: str, default: int | None = None) -> int:
    """Return the integer *key* of a parsed line. FormatError: missing without *default*, or no integer."""
    text = words.get(key)
    if text is None:
        if default is None:
            raise FormatError(f"pmi: {key} is missing")
        return default
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10):
        raise FormatError(f"pmi: {key}: expected an integer, got {describe(text)}")
    return int(text)


def word(words: dict[str, str], key: str) -> str:
    """Return the value *key* of a parsed line. FormatError: missing."""
    text = words.get(key)
    if text is None:
        raise FormatError(f"pmi: {key} is missing")
    return text


class Lines:
    """Cuts a byte stream into lines; what a reader of a socket keeps between two reads."""

    __slots__ = ("_rest", "_seen")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._seen = 0

    def feed(self, data: bytes) -> list[str]:
        """Take bytes and return the lines that they complete, without newlines.

        Raises FormatError on bytes that are not ASCII or UTF-8 text, and on a line that grows beyond
        :data:`MAX_LINE` without an end, so that a peer cannot fill the memory.
        """
        self._rest += data
        end = self._rest.rfind(b"\n", self._seen) + 1
        self._seen = len(self._rest) - end
        if self._seen > MAX_LINE:
            raise FormatError(f"pmi: a line is longer than {MAX_LINE} bytes")
        if not end:
            return []
        done = bytes(self._rest[: end - 1])
        del self._rest[:end]
        try:
            return done.decode().split("\n")
        except UnicodeDecodeError:
            raise FormatError("pmi: a line is not UTF-8 text") from None


def clique(mapping: str, rank: int) -> Idset | None:
    """Return the ranks on the node of *rank*, itself among them; None when the mapping is unknown.

    *mapping* is the value of ``PMI_process_mapping`` or of flux-core's ``flux.taskmap``. FormatError: a
    malformed mapping, or one without *rank*.
    """
    taskmap = TaskMap.decode(mapping) if mapping else TaskMap()
    if taskmap.unknown:
        return None
    node = taskmap.nodeid(rank)
    if node is None:
        raise FormatError(f"pmi: mapping: there is no rank {rank}")
    return taskmap.taskids(node)
