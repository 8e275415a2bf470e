# SPDX-License-Identifier: LGPL-3.0-or-later
"""The wire protocol of PMI version 2, in terms of version 1 (RFC 13): what MPICH and Slurm's ``libpmi2`` use.

No RFC describes it, and flux-core's server has it not. A process asks for it in its first line. From then on
a message begins with its length, six characters wide, and consists of ``key=value;``, where a semicolon in a
value is doubled. Each request has an answer, ``cmd=REQUEST-response``; several threads of a process may ask
at the same time, and ``thrid`` tells whose answer it is. Jobs are not spawned, and names not published.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe
from rosin.rfc.pmi import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.rfc.pmi.server import Replies, Server

    Words = dict[str, str]

#: Characters of the length that a message begins with.
WIDTH = 6
#: Longest message that is taken.
MAX_MESSAGE = 1 << 16
#: Attributes of a node and requests that wait for one, at most.
MAX_ATTRIBUTES = 1 << 12
_REFUSED = ("job-connect", "job-disconnect", "name-publish", "name-unpublish", "name-lookup", "spawn")
_UNIVERSE = "universeSize"


class Frames:
    """Cuts a byte stream into messages; what a reader of a socket keeps between two reads."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """Take bytes and return the messages that they complete, without lengths. Raises FormatError."""
        self._rest += data
        found: list[str] = []
        at = 0
        while len(self._rest) - at >= WIDTH:
            begin = bytes(self._rest[at : at + WIDTH])
            digits = begin.strip(b" ")
            if not digits.isdigit() or int(digits) > MAX_MESSAGE:
                raise FormatError(
                    f"pmi: {describe(begin.decode(errors='replace'))} is no length of a message"
                )
            end = at + WIDTH + int(digits)
            if end > len(self._rest):
                break
            try:
                found.append(self._rest[at + WIDTH : end].decode())
            except UnicodeDecodeError:
                raise FormatError("pmi: a message is not UTF-8 text") from None
            at = end
        del self._rest[:at]
        return found


def parse(text: str) -> Words:
    """Take a message apart. The first of two pairs with the same key counts. Raises FormatError."""
    wire.refuse_surrogates(text)
    words: Words = {}
    at = 0
    while at < len(text):
        equals = text.find("=", at)
        if equals <= at or ";" in text[at:equals]:
            raise FormatError(f"pmi: expected key=value; at column {at + 1} of {describe(text)}")
        parts: list[str] = []
        begin = equals + 1
        while True:
            end = text.find(";", begin)
            if end < 0:
                raise FormatError(f"pmi: the value of {describe(text[at:equals])} has no end")
            parts.append(text[begin:end])
            if text[end + 1 : end + 2] != ";":
                break
            begin = end + 2
        words.setdefault(text[at:equals], ";".join(parts))
        at = end + 1
    return words


def encode(words: Words) -> str:
    """Write a message with its length."""
    body = "".join(f"{key}={value.replace(';', ';;')};" for key, value in words.items())
    return f"{len(body.encode()):{WIDTH}d}{body}"


class Translator:
    """Stands before a server of version 1, for processes of both versions.

    Its :meth:`request` and :meth:`barrier_complete` are the server's. ``second``: the ranks whose connections
    are cut by :class:`Frames` from the answer to their first line on.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.second: set[int] = set()
        self._fences: dict[int, Words] = {}
        self._attributes: Words = {}
        self._waiting: list[tuple[int, str, Words]] = []

    def request(self, rank: int, text: str) -> Replies:
        """Take a line or a message of the process *rank*; return (rank, text) pairs to send.

        Raises Abort, and FormatError as :meth:`rosin.rfc.pmi.server.Server.request` does."""
        if rank in self.second:
            return self._second(rank, text)
        if "pmi_version=2" in text and wire.parse(text).get("cmd") == "init":
            self.server.request(rank, "cmd=init pmi_version=1 pmi_subversion=1")
            self.second.add(rank)
            return [(rank, "cmd=response_to_init rc=0 pmi_version=2 pmi_subversion=0\n")]
        return self._out(self.server.request(rank, text))

    def barrier_complete(self, keys: Words | None = None, failed: bool = False) -> Replies:
        """Every process of the program has entered."""
        return self._out(self.server.barrier_complete(keys, failed))

    def _out(self, replies: Replies) -> Replies:
        """What the server says to processes of the second version, in that."""
        if not self.second:
            return replies
        return [
            (rank, self._fenced(rank, text) if rank in self.second else text)
            for rank, text in replies
            if rank not in self.second or rank in self._fences
        ]

    def _fenced(self, rank: int, text: str) -> str:
        """The end of a barrier is all that the server says without being asked."""
        rc = wire.parse(text)["rc"]
        more = {} if rc == "0" else {"errmsg": "the fence has failed"}
        return _answer(self._fences.pop(rank), {**more, "rc": rc})

    def _second(self, rank: int, text: str) -> Replies:
        words = parse(text)
        command = words.get("cmd", "")
        if command in _REFUSED:
            return [(rank, _answer(words, {"errmsg": f"{command} is not supported", "rc": "-1"}))]
        handler = _HANDLERS.get(command)
        if handler is None:
            raise FormatError(f"pmi: unknown command in {describe(text)}")
        return handler(self, rank, words)

    def _ask(self, rank: int, **words: str) -> Words:
        """Ask the server something that it answers at once."""
        ((_, text),) = self.server.handle(rank, {"kvsname": self.server.kvsname, **words})
        return wire.parse(text)

    # -- handlers ---------------------------------------------------------------------------------

    def _fullinit(self, rank: int, words: Words) -> Replies:
        more = {
            "pmi-version": "2",
            "pmi-subversion": "0",
            "rank": str(rank),
            "size": str(self.server.size),
            "appnum": str(self.server.appnum),
            "debugged": "FALSE",
            "pmiverbose": "FALSE",
            "rc": "0",
        }
        return [(rank, _answer(words, more))]

    def _job_getid(self, rank: int, words: Words) -> Replies:
        return [(rank, _answer(words, {"jobid": self.server.kvsname, "rc": "0"}))]

    def _kvs_put(self, rank: int, words: Words) -> Replies:
        key, value = wire.word(words, "key"), words.get("value", "")
        if not wire.is_word(key) or not wire.is_string(value):
            return [(rank, _answer(words, {"errmsg": "the key or the value is no text", "rc": "-1"}))]
        rc = self._ask(rank, cmd="put", key=key, value=value)["rc"]
        more = {} if rc == "0" else {"errmsg": wire.error_name(int(rc))}
        return [(rank, _answer(words, {**more, "rc": rc}))]

    def _kvs_get(self, rank: int, words: Words) -> Replies:
        found = self._ask(rank, cmd="get", key=wire.word(words, "key"))
        return [(rank, _answer(words, _found(found.get("value"))))]

    def _kvs_fence(self, rank: int, words: Words) -> Replies:
        if rank in self._fences:
            raise FormatError("pmi: a fence within a fence")
        self._fences[rank] = words
        return self._out(self.server.handle(rank, {"cmd": "barrier_in"}))

    def _info_getjobattr(self, rank: int, words: Words) -> Replies:
        key = wire.word(words, "key")
        value = self._ask(rank, cmd="get", key=key).get("value")
        if key == _UNIVERSE:
            value = str(self.server.universe_size)
        return [(rank, _answer(words, _found(value)))]

    def _info_putnodeattr(self, rank: int, words: Words) -> Replies:
        key, value = wire.word(words, "key"), words.get("value", "")
        if key not in self._attributes and len(self._attributes) >= MAX_ATTRIBUTES:
            return [(rank, _answer(words, {"errmsg": "too many attributes", "rc": "-1"}))]
        self._attributes[key] = value
        ready = [(who, asked) for who, wanted, asked in self._waiting if wanted == key]
        self._waiting = [each for each in self._waiting if each[1] != key]
        return [
            (rank, _answer(words, {"rc": "0"})),
            *((who, _answer(asked, _found(value))) for who, asked in ready),
        ]

    def _info_getnodeattr(self, rank: int, words: Words) -> Replies:
        key = wire.word(words, "key")
        if key in self._attributes or words.get("wait") != "TRUE" or len(self._waiting) >= MAX_ATTRIBUTES:
            return [(rank, _answer(words, _found(self._attributes.get(key))))]
        self._waiting.append((rank, key, words))
        return []

    def _finalize(self, rank: int, words: Words) -> Replies:
        self._ask(rank, cmd="finalize")
        return [(rank, _answer(words, {"rc": "0"}))]

    def _abort(self, rank: int, words: Words) -> Replies:
        return self.server.handle(rank, {"cmd": "abort", "error_msg": words.get("msg", "aborted")})


def _found(value: str | None) -> Words:
    return {"found": "FALSE", "rc": "0"} if value is None else {"found": "TRUE", "value": value, "rc": "0"}


def _answer(words: Words, more: Words) -> str:
    thread = {"thrid": words["thrid"]} if "thrid" in words else {}
    return encode({"cmd": f"{words['cmd']}-response", **thread, **more})


_HANDLERS: dict[str, Callable[[Translator, int, Words], Replies]] = {
    "fullinit": Translator._fullinit,
    "job-getid": Translator._job_getid,
    "kvs-put": Translator._kvs_put,
    "kvs-get": Translator._kvs_get,
    "kvs-fence": Translator._kvs_fence,
    "info-getjobattr": Translator._info_getjobattr,
    "info-putnodeattr": Translator._info_putnodeattr,
    "info-getnodeattr": Translator._info_getnodeattr,
    "finalize": Translator._finalize,
    "abort": Translator._abort,
}
