# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a shell asks of the other shells of its job, and tells their leader.

Where shells outlive their brokers, what is on its way may be lost with one of those while the shells at both
ends go on. So a request that no shell has answered is made again, as long as the execution service expects
anything of that shell. The service is asked, too, when nothing has come for a while: a shell that ends
answers nothing of what has just reached it. And what the leader is told has a number, and is told again from
the first on that it has not heard.
"""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.errors import FormatError
from rosin.handle.future import Future
from rosin.rfc.payload import field, int_field
from rosin.shell.guestlog import AGAIN, UNKNOWN
from rosin.shell.service import LATER

if TYPE_CHECKING:
    from rosin.handle.reactor import Timer
    from rosin.rfc.message import Message
    from rosin.shell.connection import ShellHandle
    from rosin.shell.info import ShellInfo
    from rosin.shell.log import ShellLog
    from rosin.shell.service import ShellService
    from rosin.shell.startup import Startup

#: Methods of the leader: something with a number, and the question how far it has heard.
RELAY = "relay"
HEARD = "relay-heard"
#: Seconds after which the leader is asked how far it has heard.
LAZY = 0.05
_MAX_NUMBER = 1 << 62
#: Seconds without an answer after which the execution service is asked whether there can be one; then twice
#: as many, up to the second number. The leader waits for others longer than that, and so do they for it.
_PATIENCE, _LONGEST = 2.0, 8.0


class Owner(Protocol):
    """What is needed of a shell."""

    h: ShellHandle
    jobid: int
    info: ShellInfo
    log: ShellLog
    service: ShellService
    startup: Startup

    @property
    def leader_rank(self) -> int: ...
    def ask(self, method: str, payload: dict[str, Any], then: Callable[[Future], None]) -> None: ...


class Question:
    """A request to another shell; ``then(future)`` gets the answer, or the failure that it is left at."""

    __slots__ = ("_doubted", "_failed", "_payload", "_rank", "_shell", "_then", "_timer", "_topic")

    def __init__(
        self, shell: Owner, rank: int, method: str, payload: dict[str, Any], then: Callable[[Future], None]
    ) -> None:
        """``rank`` is that of the other shell's broker. Raises ConnectionError: the own broker is lost."""
        self._shell = shell
        self._rank = rank
        self._topic = f"{shell.service.name}.{method}"
        self._payload = payload
        self._then = then
        self._failed: Future | None = None
        self._doubted = 0.0
        self._timer: Timer | None = None
        self._send()

    def _send(self) -> None:
        rpc = self._shell.h.rpc(self._topic, self._payload, self._rank)
        if self._shell.startup.keep:
            rpc.then(self._answered)
            self._wait(rpc, _PATIENCE)
        else:
            rpc.then(self._then)

    def _wait(self, rpc: Future, seconds: float) -> None:
        """Look after a request of which nothing comes back."""
        self._timer = self._shell.h.reactor.timer(seconds, partial(self._look, rpc, seconds))

    def _look(self, rpc: Future, seconds: float) -> None:
        self._timer = None
        if not self._shell.h.lost:  # else it is answered by that
            self._ask_whether(partial(self._silent, rpc, seconds))

    def _silent(self, rpc: Future, seconds: float, whether: Future) -> None:
        if rpc.is_ready():
            return
        if self._is_active(whether):
            self._wait(rpc, min(2 * seconds, _LONGEST))
            return
        rpc.stop()
        gone = Future(self._shell.h)
        gone.fulfill_error(errno.ECONNRESET, "the shell has ended without an answer")
        self._then(gone)

    def _ask_whether(self, then: Callable[[Future], None]) -> None:
        """Ask whether the other shell is still there, for all that the execution service knows."""
        request = {"id": self._shell.jobid, "rank": self._rank}
        self._shell.h.rpc("job-exec.shell-active", request).then(then)

    @staticmethod
    def _is_active(whether: Future) -> bool:
        try:
            return field(whether.get(), "active", bool)
        except OSError as error:
            return error.errno in UNKNOWN

    def _answered(self, rpc: Future) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            rpc.get()
        except OSError as error:
            if error.errno in UNKNOWN and not self._shell.h.lost:
                self._failed = rpc
                self._ask_whether(self._whether)
                return
        self._then(rpc)

    def _whether(self, rpc: Future) -> None:
        active = self._is_active(rpc)
        now = time.monotonic()
        self._doubted = self._doubted or now
        if active and now - self._doubted < self._shell.startup.keep and not self._shell.h.lost:
            self._shell.h.reactor.timer(AGAIN, self._again)
            return
        assert self._failed is not None
        self._then(self._failed)

    def _again(self) -> None:
        if self._shell.h.lost:
            assert self._failed is not None
            self._then(self._failed)
        else:
            self._send()


class Tidings:
    """What a shell tells the leader, in order and nothing twice."""

    def __init__(self, shell: Owner) -> None:
        self._shell = shell
        self._number = 0
        self._unheard: deque[dict[str, Any]] = deque()
        self._timer: Timer | None = None
        self._asked = 0  # the last number that was told before the leader was asked; 0: it is not
        self._hurried = False
        self._closed = False
        #: Called when the leader has heard everything, or will hear nothing any more.
        self.on_idle: Callable[[], None] = lambda: None

    @property
    def idle(self) -> bool:
        """Nothing is on its way."""
        return self._closed or not self._unheard

    def tell(self, method: str, payload: dict[str, Any]) -> None:
        """Call a method of the leader that has no answer."""
        if self._closed:
            return
        self._number += 1
        rank = self._shell.info.rank
        told = {"shell_rank": rank, "number": self._number, "method": method, "payload": payload}
        self._unheard.append(told)
        self._send(told)
        self._ask_later()

    def hurry(self) -> None:
        """This shell waits for the leader to have heard everything."""
        self._hurried = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ask_later()

    def close(self) -> None:
        """Nobody is told anything any more."""
        self._closed = True
        self._unheard.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.on_idle()

    def _send(self, told: dict[str, Any]) -> None:
        topic = f"{self._shell.service.name}.{RELAY}"
        self._shell.h.rpc(topic, told, self._shell.leader_rank, FLUX_RPC_NORESPONSE)

    def _ask_later(self) -> None:
        if self._unheard and not self._asked and self._timer is None:
            self._timer = self._shell.h.reactor.timer(0.0 if self._hurried else LAZY, self._ask)

    def _ask(self) -> None:
        self._timer = None
        if not self._shell.h.lost and not self._closed:
            self._asked = self._number
            self._shell.ask(HEARD, {"shell_rank": self._shell.info.rank}, self._heard)

    def _heard(self, rpc: Future) -> None:
        asked, self._asked = self._asked, 0
        if self._closed:
            return
        try:
            number: int = int_field(rpc.get(), "number", 0, self._number)
        except (OSError, FormatError) as error:
            self._shell.log.error(f"what the leader shell was told is lost: {error}")
            self.close()
            return
        while self._unheard and self._unheard[0]["number"] <= number:
            self._unheard.popleft()
        if self._unheard and self._unheard[0]["number"] <= asked:  # the question was behind it
            for told in self._unheard:
                self._send(told)
        if self._unheard:
            self._ask_later()
        else:
            self.on_idle()


class Hearing:
    """The leader's end."""

    def __init__(self, shell: Owner) -> None:
        self._shell = shell
        self._numbers: dict[int, int] = {}  # shell rank -> what it has told last
        shell.service.methods[RELAY] = self._relay
        shell.service.methods[HEARD] = self._heard

    def _rank(self, msg: Message) -> int:
        return int(int_field(msg.args, "shell_rank", 1, self._shell.info.size - 1))

    def _relay(self, msg: Message) -> object:
        rank, number = self._rank(msg), int_field(msg.args, "number", 1, _MAX_NUMBER)
        name, payload = field(msg.args, "method", str), field(msg.args, "payload", dict)
        if number == self._numbers.get(rank, 0) + 1:  # else it was heard, or will be told again in its turn
            self._numbers[rank] = number
            inner = msg.copy()
            inner.set_payload(payload)
            method = self._shell.service.find(name)
            if method is not None:
                method(inner)
        return LATER  # these requests have no response

    def _heard(self, msg: Message) -> dict[str, int]:
        return {"number": self._numbers.get(self._rank(msg), 0)}
