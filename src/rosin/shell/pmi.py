# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 13: the server side of the simple PMI version 1 wire protocol, sans I/O.

One server per shell; each task is a client with a rank. :meth:`PmiServer.request` takes a line and returns
what to send to whom. A barrier of a job with several shells is completed by whoever exchanges their keys.
"""

from __future__ import annotations

from collections.abc import Callable

NAME_MAX = 64
KEY_MAX = 64
VALUE_MAX = 1024
_ERR_INVALID_KEY = 3
_ERR_INVALID_KEY_LENGTH = 4
_ERR_INVALID_VAL_LENGTH = 7
_ERR_INVALID_LENGTH = 8

Replies = list[tuple[int, str]]


class PmiError(Exception):
    """A line that breaks the protocol."""


class PmiAbort(Exception):
    """A task asked to abort the program; ``str()`` is its message."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def parse(line: str) -> dict[str, str]:
    """``cmd=put key=a value=x y=z`` as a dict; ``value``, ``msg`` and ``error_msg`` end with the line."""
    words: dict[str, str] = {}
    rest = line.rstrip("\n")
    while rest := rest.lstrip(" \t"):
        name, equals, after = rest.partition("=")
        if not equals or " " in name:
            raise PmiError(f"bad line {line!r}")
        if name in ("value", "msg", "error_msg"):
            words[name] = after
            break
        words[name], _, rest = after.partition(" ")
    return words


class PmiServer:
    """Key-value space ``kvsname`` of a program of ``size`` tasks, ``local_size`` of them with this server."""

    def __init__(self, kvsname: str, size: int, local_size: int, keys: dict[str, str]) -> None:
        self.kvsname = kvsname
        self.size = size
        self._local_size = local_size
        self._local = dict(keys)
        self._global: dict[str, str] = {}
        self.pending: dict[str, str] = {}
        self._clients: set[int] = set()
        self._entered = 0
        self._spawning: set[int] = set()
        self.warnings: list[str] = []
        #: Set for a job of several shells: called when all local tasks entered a barrier.
        self.exchange: Callable[[dict[str, str]], None] | None = None

    def request(self, rank: int, line: str) -> Replies:
        """Take one line of the task with this rank; returns (rank, line) pairs to send.

        Raises PmiError and PmiAbort."""
        self._clients.add(rank)
        if rank in self._spawning:
            if line.strip() != "endcmd":
                return []
            self._spawning.discard(rank)
            return [(rank, "cmd=spawn_result rc=-1\n")]
        words = parse(line)
        if words.get("mcmd") == "spawn":
            self._spawning.add(rank)
            return []
        handler = getattr(self, f"_do_{words.get('cmd', '')}", None)
        if handler is None:
            raise PmiError(f"unknown command in {line!r}")
        try:
            replies: Replies = handler(rank, words)
        except KeyError as missing:
            raise PmiError(f"{missing.args[0]} is missing in {line!r}") from None
        return replies

    def _do_init(self, rank: int, words: dict[str, str]) -> Replies:
        try:
            version = int(words["pmi_version"]), int(words["pmi_subversion"])
        except ValueError:
            raise PmiError("init: version is no number") from None
        if version < (1, 1) or version[0] == 2:
            if version[0] == 2 and rank == 0:
                self.warnings.append("is application unintentionally using slurm libpmi2.so?")
            return [(rank, "cmd=response_to_init rc=-1\n")]
        return [(rank, "cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n")]

    def _do_get_maxes(self, rank: int, words: dict[str, str]) -> Replies:
        maxes = f"kvsname_max={NAME_MAX} keylen_max={KEY_MAX} vallen_max={VALUE_MAX}"
        return [(rank, f"cmd=maxes rc=0 {maxes}\n")]

    def _do_abort(self, rank: int, words: dict[str, str]) -> Replies:
        code = words.get("exitcode") or words.get("exit_code") or "1"
        raise PmiAbort(words.get("error_msg", "aborted"), int(code) if code.isdigit() else 1)

    def _do_finalize(self, rank: int, words: dict[str, str]) -> Replies:
        return [(rank, "cmd=finalize_ack rc=0\n")]

    def _do_get_universe_size(self, rank: int, words: dict[str, str]) -> Replies:
        return [(rank, f"cmd=universe_size rc=0 size={self.size}\n")]

    def _do_get_appnum(self, rank: int, words: dict[str, str]) -> Replies:
        return [(rank, "cmd=appnum rc=0 appnum=0\n")]

    def _do_get_my_kvsname(self, rank: int, words: dict[str, str]) -> Replies:
        return [(rank, f"cmd=my_kvsname rc=0 kvsname={self.kvsname}\n")]

    def _do_put(self, rank: int, words: dict[str, str]) -> Replies:
        name, key, value = words["kvsname"], words["key"], words["value"]
        code = 0
        if len(name) >= NAME_MAX:
            code = _ERR_INVALID_LENGTH
        elif len(key) >= KEY_MAX:
            code = _ERR_INVALID_KEY_LENGTH
        elif len(value) >= VALUE_MAX:
            code = _ERR_INVALID_VAL_LENGTH
        else:
            # "local::" is how PMI-2 libraries mark a key that only tasks of this node read.
            (self._local if key.startswith("local::") else self.pending)[key] = value
        return [(rank, f"cmd=put_result rc={code}\n")]

    def _do_get(self, rank: int, words: dict[str, str]) -> Replies:
        name, key = words["kvsname"], words["key"]
        if len(name) >= NAME_MAX:
            return [(rank, f"cmd=get_result rc={_ERR_INVALID_LENGTH}\n")]
        if len(key) >= KEY_MAX:
            return [(rank, f"cmd=get_result rc={_ERR_INVALID_KEY_LENGTH}\n")]
        for table in (self._local, self.pending, self._global):
            if key in table:
                return [(rank, f"cmd=get_result rc=0 value={table[key]}\n")]
        return [(rank, f"cmd=get_result rc={_ERR_INVALID_KEY}\n")]

    def _do_barrier_in(self, rank: int, words: dict[str, str]) -> Replies:
        self._entered += 1
        if self._entered < self._local_size:
            return []
        if self.exchange is not None:
            self.exchange(self.pending)
            return []
        return self.barrier_complete({})

    def barrier_complete(self, keys: dict[str, str], failed: bool = False) -> Replies:
        """Every task of the program has entered: take the others' keys and let the local tasks out."""
        self._entered = 0
        if not failed:
            self._global |= self.pending | keys
            self.pending.clear()
        return [(rank, f"cmd=barrier_out rc={-1 if failed else 0}\n") for rank in sorted(self._clients)]

    def _refuse(self, rank: int, words: dict[str, str]) -> Replies:
        name = words["cmd"].removesuffix("_name")
        return [(rank, f"cmd={name}_result rc=-1 msg=command not implemented\n")]

    _do_publish_name = _do_unpublish_name = _do_lookup_name = _refuse
