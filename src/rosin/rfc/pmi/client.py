# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the process's side of the simple PMI version 1 wire protocol, sans I/O.

A method of :class:`PmiClient` returns the text to write to the descriptor ``PMI_FD``;
:meth:`PmiClient.receive` takes the line that comes back. The protocol is in lock-step: one
request, one response.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe
from rosin.rfc.pmi import spawn as spawns
from rosin.rfc.pmi import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Request: (the response's ``cmd``, the integers it holds on success, the texts).
_RESPONSES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "init": ("response_to_init", ("pmi_version", "pmi_subversion"), ()),
    "get_maxes": ("maxes", ("kvsname_max", "keylen_max", "vallen_max"), ()),
    "finalize": ("finalize_ack", (), ()),
    "get_universe_size": ("universe_size", ("size",), ()),
    "get_appnum": ("appnum", ("appnum",), ()),
    "get_my_kvsname": ("my_kvsname", (), ("kvsname",)),
    "put": ("put_result", (), ()),
    "get": ("get_result", (), ("value",)),
    "barrier_in": ("barrier_out", (), ()),
    "publish_name": ("publish_result", (), ()),
    "unpublish_name": ("unpublish_result", (), ()),
    "lookup_name": ("lookup_result", (), ("port",)),
    "spawn": ("spawn_result", (), ()),
}


class Failure(Exception):
    """The process manager refused a request: ``code`` (its return code) and the text of its message."""

    def __init__(self, command: str, code: int, text: str = "") -> None:
        super().__init__(f"pmi: {command}: {text or wire.error_name(code)}")
        self.code = code


class PmiClient:
    """One process of a program: its ``rank``, the ``size`` of the program, whether it was ``spawned``.

    The first request is :meth:`init`; :meth:`get_maxes` next tells ``name_max``, ``key_max`` and
    ``value_max``, which are flux-core's until then. ``universe_size``, ``appnum`` and ``kvsname`` are kept
    once they were asked for.
    """

    def __init__(self, rank: int = 0, size: int = 1, spawned: bool = False) -> None:
        if not 0 <= rank < size:
            raise FormatError(f"pmi: rank {rank} is not below the size {size}")
        self.rank = rank
        self.size = size
        self.spawned = spawned
        self.name_max, self.key_max, self.value_max = wire.NAME_MAX, wire.KEY_MAX, wire.VALUE_MAX
        self.universe_size: int | None = None
        self.appnum: int | None = None
        self.kvsname: str | None = None
        self.initialized = False
        self._asked: str | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> tuple[PmiClient, int]:
        """Return a client and the number of its descriptor from PMI_FD, PMI_RANK, PMI_SIZE, PMI_SPAWNED.

        FormatError: a variable is missing (the process manager offers no PMI-1) or malformed.
        """
        words = {name: environ[name] for name in environ if name.startswith("PMI_")}
        fd = wire.integer(words, "PMI_FD")
        if fd < 0:
            raise FormatError(f"pmi: PMI_FD: {fd} is no file descriptor")
        rank, size = wire.integer(words, "PMI_RANK"), wire.integer(words, "PMI_SIZE")
        return cls(rank, size, wire.integer(words, "PMI_SPAWNED", 0) != 0), fd

    # -- requests ---------------------------------------------------------------------------------

    def init(self) -> str:
        """Begin; version 1.1 is the only one that is spoken here."""
        return self._ask("init", {"cmd": "init", "pmi_version": 1, "pmi_subversion": 1})

    def get_maxes(self) -> str:
        """Ask for the sizes of names, keys and values."""
        return self._ask("get_maxes")

    def get_universe_size(self) -> str:
        """Ask how many processes the program may ever have."""
        return self._ask("get_universe_size")

    def get_appnum(self) -> str:
        """Ask for the application number."""
        return self._ask("get_appnum")

    def get_my_kvsname(self) -> str:
        """Ask for the name of the program's key-value space."""
        return self._ask("get_my_kvsname")

    def put(self, kvsname: str, key: str, value: str) -> str:
        """Put *key*, once; others see it after a barrier. FormatError: too long, or not printable."""
        self._check_length("key", key, self.key_max)
        self._check_length("value", value, self.value_max)
        return self._ask("put", {"cmd": "put", "kvsname": kvsname, "key": key, "value": value})

    def get(self, kvsname: str, key: str) -> str:
        """Ask for the value of *key*."""
        self._check_length("key", key, self.key_max)
        return self._ask("get", {"cmd": "get", "kvsname": kvsname, "key": key})

    def barrier(self) -> str:
        """Enter the barrier; the response comes when every process of the program has."""
        return self._ask("barrier_in")

    def publish(self, service: str, port: str) -> str:
        """Publish the name *service* with *port*."""
        return self._ask("publish_name", {"cmd": "publish_name", "service": service, "port": port})

    def unpublish(self, service: str) -> str:
        """Take the name *service* back."""
        return self._ask("unpublish_name", {"cmd": "unpublish_name", "service": service})

    def lookup(self, service: str) -> str:
        """Ask for the port of *service*."""
        return self._ask("lookup_name", {"cmd": "lookup_name", "service": service})

    def spawn(self, spawn: spawns.Spawn) -> str:
        """Ask for a new program; the text has several lines. FormatError: text that no line can hold."""
        text = spawns.encode(spawn)
        self._begin("spawn")
        return text

    def finalize(self) -> str:
        """Say goodbye; the descriptor is closed after the response."""
        return self._ask("finalize")

    def abort(self, code: int, message: str = "") -> str:
        """Ask to end the program. The caller prints *message* and exits with *code*; it waits for nothing.

        Line breaks and other control characters in *message* become blanks. FormatError: *code* below 0.
        """
        if code < 0:
            raise FormatError(f"pmi: abort: {code} is no exit code")
        words: dict[str, str | int] = {"cmd": "abort", "exitcode": code}
        if message:
            words["error_msg"] = "".join(c if c.isprintable() else " " for c in message)
        return wire.encode(words)

    # -- responses --------------------------------------------------------------------------------

    def receive(self, line: str) -> dict[str, str | int]:
        """Take the response to the last request: its fields, integers as int; ``errcodes`` stays text.

        Raises :class:`Failure` when the request was refused, FormatError when the line is not the response
        that belongs here: then the connection is to be closed.
        """
        command, self._asked = self._asked, None
        if command is None:
            raise FormatError(f"pmi: {describe(line)} answers no request")
        expected, numbers, texts = _RESPONSES[command]
        words = wire.parse(line)
        if words.get("cmd") != expected:
            raise FormatError(f"pmi: {command}: expected cmd={expected}, got {describe(line)}")
        code = wire.integer(words, "rc", 0)
        if code:
            raise Failure(command, code, words.get("msg", ""))
        if "value" in texts and "value" not in words and "value=" in words.get("msg", ""):
            # MPICH's hydra says msg=success before the value, where the grammar has no end of it.
            words["value"] = words["msg"].partition("value=")[2]
        fields: dict[str, str | int] = {key: wire.integer(words, key) for key in numbers}
        for key in texts:
            fields[key] = wire.word(words, key)
        if "errcodes" in words:
            fields["errcodes"] = words["errcodes"]
        self._keep(command, fields)
        return fields

    def _keep(self, command: str, fields: dict[str, str | int]) -> None:
        if command == "init":
            version, minor = int(fields["pmi_version"]), int(fields["pmi_subversion"])
            if version != 1 or minor < 1:  # MPICH 5 says 1.2, and takes what 1.1 has
                raise FormatError(f"pmi: the server wants version {version}.{minor}, not 1.1")
            self.initialized = True
        elif command == "get_maxes":
            sizes = [int(fields[key]) for key in ("kvsname_max", "keylen_max", "vallen_max")]
            if min(sizes) < 2:
                raise FormatError(f"pmi: get_maxes: sizes of {sizes} leave no room")
            self.name_max, self.key_max, self.value_max = sizes
        elif command == "get_universe_size":
            self.universe_size = int(fields["size"])
        elif command == "get_appnum":
            self.appnum = int(fields["appnum"])
        elif command == "get_my_kvsname":
            self.kvsname = str(fields["kvsname"])
        elif command == "get":
            # MPICH's hydra says found=TRUE behind the value, which the grammar has to the end of the line.
            fields["value"] = str(fields["value"]).removesuffix(" found=TRUE")

    def _check_length(self, what: str, text: str, limit: int) -> None:
        if len(text.encode()) >= limit:
            raise FormatError(f"pmi: {what} of {len(text.encode())} bytes: the limit is {limit - 1}")

    def _begin(self, command: str) -> None:
        if self._asked is not None:
            raise RuntimeError(f"pmi: {command} before the response to {self._asked}")
        if not self.initialized and command != "init":
            raise RuntimeError(f"pmi: {command} before init")
        self._asked = command

    def _ask(self, command: str, words: dict[str, str | int] | None = None) -> str:
        line = wire.encode(words or {"cmd": command})
        self._begin(command)
        return line


#: Its name in earlier programs.
Client = PmiClient
