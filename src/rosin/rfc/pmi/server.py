# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the process manager's side of the simple PMI version 1 wire protocol, sans I/O.

One :class:`Server` serves the local processes of a program, each a client with a rank.
:meth:`Server.request` takes a line and returns what to send to whom. Answers are those of flux-core's
server; what it refuses (spawn, names) is refused here too unless the owner provides it.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.payload import describe
from rosin.rfc.pmi import spawn as spawns
from rosin.rfc.pmi import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Replies = list[tuple[int, str]]


class Abort(Exception):
    """A process asked to abort the program; ``str()`` is its message, ``code`` the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Server:
    """Key-value space ``kvsname`` of a program of ``size`` processes, ``local_size`` of them served here.

    ``keys`` are there from the start and seen by local processes only, as keys that begin with ``local::``
    are. (That is how PMI-2 libraries mark what only processes of the same node read.)

    Attributes:
        pending: the keys put since the last barrier; other servers of the program do not have them yet.
        finalized: ranks that said goodbye; their connections may be closed.
        warnings: texts for the log; the owner empties the list.
        exchange: for a program with several servers: called with :attr:`pending` when all local processes
            have entered a barrier. Whoever exchanges keys calls :meth:`barrier_complete` in the end.
        spawn: called with (rank, :class:`rosin.rfc.pmi.spawn.Spawn`); returns (return code, error codes).
            None refuses the request.
        names: table of the published names, service to port. None refuses to publish.
    """

    def __init__(
        self,
        kvsname: str,
        size: int,
        local_size: int,
        keys: dict[str, str] | None = None,
        appnum: int = 0,
        universe_size: int | None = None,
    ) -> None:
        self.kvsname = kvsname
        self.size = size
        self.appnum = appnum
        self.universe_size = size if universe_size is None else universe_size
        self.pending: dict[str, str] = {}
        self.finalized: set[int] = set()
        self.warnings: list[str] = []
        self.exchange: Callable[[dict[str, str]], None] | None = None
        self.spawn: Callable[[int, spawns.Spawn], tuple[int, list[int]]] | None = None
        self.names: dict[str, str] | None = None
        self._local_size = local_size
        self._local = {} if keys is None else dict(keys)
        self._global: dict[str, str] = {}
        self._clients: set[int] = set()
        self._entered = 0
        self._spawning: dict[int, _SpawnLines] = {}

    def request(self, rank: int, line: str) -> Replies:
        """Take one line of the process *rank*; return (rank, line) pairs to send.

        Raises :class:`Abort`, and FormatError on a line that breaks the protocol: the RFC asks the server to
        log it, close the connection and abort the program.
        """
        self._clients.add(rank)
        collected = self._spawning.get(rank)
        if collected is not None:
            if not collected.add(line):
                return []
            return self._spawned(rank, self._spawning.pop(rank))
        words = wire.parse(line)
        if words.get("mcmd") == "spawn":
            self._spawning[rank] = _SpawnLines(line, self.spawn is not None)
            return []
        try:
            return self.handle(rank, words)
        except FormatError as error:
            raise FormatError(f"{error} in {describe(line)}") from None

    def handle(self, rank: int, words: dict[str, str]) -> Replies:
        """Take a request that has been parsed. Raises what :meth:`request` does."""
        handler = _HANDLERS.get(words.get("cmd", ""))
        if handler is None:
            raise FormatError("pmi: unknown command")
        return handler(self, rank, words)

    def barrier_complete(self, keys: dict[str, str] | None = None, failed: bool = False) -> Replies:
        """Every process of the program has entered: take other servers' *keys*, let the local ones out."""
        self._entered = 0
        if not failed:
            self._global |= self.pending
            self._global |= keys or {}
            self.pending.clear()
        return [(rank, f"cmd=barrier_out rc={-1 if failed else 0}\n") for rank in sorted(self._clients)]

    # -- handlers ---------------------------------------------------------------------------------

    def _init(self, rank: int, words: dict[str, str]) -> Replies:
        version = wire.integer(words, "pmi_version"), wire.integer(words, "pmi_subversion")
        if version < (1, 1) or version[0] == 2:
            # A client of version 2 speaks another protocol after this message; flux-core refuses it, too.
            if version[0] == 2 and rank == 0:
                self.warnings.append("is application unintentionally using slurm libpmi2.so?")
            return [(rank, "cmd=response_to_init rc=-1\n")]
        return [(rank, "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n")]

    def _get_maxes(self, rank: int, words: dict[str, str]) -> Replies:
        maxes = f"kvsname_max={wire.NAME_MAX} keylen_max={wire.KEY_MAX} vallen_max={wire.VALUE_MAX}"
        return [(rank, f"cmd=maxes rc=0 {maxes}\n")]

    def _abort(self, rank: int, words: dict[str, str]) -> Replies:
        # The RFC defines no parameters; MPICH sends exitcode, Flux has sent exit_code and error_msg.
        code = words.get("exitcode") or words.get("exit_code") or "1"
        good = code.isascii() and code.isdecimal() and len(code) < 10
        raise Abort(words.get("error_msg", "aborted"), int(code) if good else 1)

    def _finalize(self, rank: int, words: dict[str, str]) -> Replies:
        self.finalized.add(rank)
        return [(rank, "cmd=finalize_ack rc=0\n")]

    def _get_universe_size(self, rank: int, words: dict[str, str]) -> Replies:
        return [(rank, f"cmd=universe_size rc=0 size={self.universe_size}\n")]

    def _get_appnum(self, rank: int, words: dict[str, str]) -> Replies:
        return [(rank, f"cmd=appnum rc=0 appnum={self.appnum}\n")]

    def _get_my_kvsname(self, rank: int, words: dict[str, str]) -> Replies:
        return [(rank, f"cmd=my_kvsname rc=0 kvsname={self.kvsname}\n")]

    def _put(self, rank: int, words: dict[str, str]) -> Replies:
        name, key, value = (wire.word(words, part) for part in ("kvsname", "key", "value"))
        code = _length_error(name, key)
        if not code and len(value.encode()) >= wire.VALUE_MAX:
            code = wire.ERR_INVALID_VAL_LENGTH
        if not code:
            (self._local if key.startswith("local::") else self.pending)[key] = value
        return [(rank, f"cmd=put_result rc={code}\n")]

    def _get(self, rank: int, words: dict[str, str]) -> Replies:
        name, key = wire.word(words, "kvsname"), wire.word(words, "key")
        code = _length_error(name, key)
        if not code:
            for table in (self._local, self.pending, self._global):
                if key in table:
                    return [(rank, f"cmd=get_result rc=0 value={table[key]}\n")]
            code = wire.ERR_INVALID_KEY
        return [(rank, f"cmd=get_result rc={code}\n")]

    def _barrier_in(self, rank: int, words: dict[str, str]) -> Replies:
        self._entered += 1
        if self._entered < self._local_size:
            return []
        if self.exchange is not None:
            self.exchange(self.pending)
            return []
        return self.barrier_complete()

    def _publish(self, rank: int, words: dict[str, str]) -> Replies:
        if self.names is None:
            return _refuse(rank, "publish")
        service, port = wire.word(words, "service"), wire.word(words, "port")
        if service in self.names:
            return [(rank, "cmd=publish_result rc=-1 msg=name is already published\n")]
        self.names[service] = port
        return [(rank, "cmd=publish_result rc=0 msg=success\n")]

    def _unpublish(self, rank: int, words: dict[str, str]) -> Replies:
        if self.names is None:
            return _refuse(rank, "unpublish")
        if self.names.pop(wire.word(words, "service"), None) is None:
            return [(rank, "cmd=unpublish_result rc=-1 msg=name is not published\n")]
        return [(rank, "cmd=unpublish_result rc=0 msg=success\n")]

    def _lookup(self, rank: int, words: dict[str, str]) -> Replies:
        if self.names is None:
            return _refuse(rank, "lookup")
        port = self.names.get(wire.word(words, "service"))
        if port is None:
            return [(rank, "cmd=lookup_result rc=-1 msg=name is not published\n")]
        return [(rank, f"cmd=lookup_result rc=0 port={port}\n")]

    def _spawned(self, rank: int, collected: _SpawnLines) -> Replies:
        if self.spawn is None:
            return [(rank, "cmd=spawn_result rc=-1\n")]
        code, errors = self.spawn(rank, spawns.decode(collected.lines))
        more = f" errcodes={','.join(map(str, errors))}" if errors else ""
        return [(rank, f"cmd=spawn_result rc={code}{more}\n")]


class _SpawnLines:
    """The lines of a spawn request so far; none are kept for a server that refuses them all."""

    __slots__ = ("_keep", "_size", "lines")

    def __init__(self, first: str, keep: bool) -> None:
        self.lines = [first]
        self._keep = keep
        self._size = 0

    def add(self, line: str) -> bool:
        """Take a line; tell whether it was the last one."""
        if line.strip() == "endcmd":
            self.lines.append(line)
            return True
        self._size += len(line)
        if self._size > wire.MAX_SPAWN:
            raise FormatError(f"pmi: spawn: the request is longer than {wire.MAX_SPAWN} characters")
        if self._keep:
            self.lines.append(line)
        return False


def _length_error(name: str, key: str) -> int:
    # Names and keys are compared in bytes, for a client's buffers are.
    if len(name.encode()) >= wire.NAME_MAX:
        return wire.ERR_INVALID_LENGTH
    return wire.ERR_INVALID_KEY_LENGTH if len(key.encode()) >= wire.KEY_MAX else 0


def _refuse(rank: int, what: str) -> Replies:
    return [(rank, f"cmd={what}_result rc=-1 msg=command not implemented\n")]


_HANDLERS: dict[str, Callable[[Server, int, dict[str, str]], Replies]] = {
    "init": Server._init,
    "get_maxes": Server._get_maxes,
    "abort": Server._abort,
    "finalize": Server._finalize,
    "get_universe_size": Server._get_universe_size,
    "get_appnum": Server._get_appnum,
    "get_my_kvsname": Server._get_my_kvsname,
    "put": Server._put,
    "get": Server._get,
    "barrier_in": Server._barrier_in,
    "publish_name": Server._publish,
    "unpublish_name": Server._unpublish,
    "lookup_name": Server._lookup,
}
