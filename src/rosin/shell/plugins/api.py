# SPDX-License-Identifier: LGPL-3.0-or-later
"""A plugin of the job shell: what it may do when, and what it sees of its shell.

The points of a shell's life are flux-core's, by their names with an underscore; those that flux-core does not
have say so. A plugin is made as soon as its job is known, and reads its options then. Each of its methods may
raise :class:`~rosin.shell.errors.ShellError`, which ends the job with that line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.shell.guestlog import GuestLog
from rosin.shell.log import ShellLog
from rosin.shell.others import Question, Tidings
from rosin.shell.plugins.stack import ShellStack
from rosin.shell.service import ShellService, service_name
from rosin.shell.startup import Startup

if TYPE_CHECKING:
    from rosin.handle.future import Future
    from rosin.shell.connection import ShellHandle
    from rosin.shell.info import ShellInfo
    from rosin.shell.options import Options
    from rosin.shell.task import Task


class Api:
    """A shell as its plugins see it. ``init`` is what the execution system has handed over."""

    def __init__(
        self, handle: ShellHandle, jobid: int, env: Mapping[str, str], init: dict[str, Any] | None = None
    ) -> None:
        self.h = handle
        self.jobid = jobid
        #: The shell's own environment, and the one that all tasks share.
        self.env = env
        self.environment: dict[str, str] = {}
        self.log = ShellLog()
        self.guest = GuestLog(handle, jobid)
        self.startup = Startup(handle, jobid, init or {})
        self.service = ShellService(handle, service_name(jobid))
        self.stack = ShellStack()
        self.info: ShellInfo
        #: This shell's tasks, from ``shell_post_init`` on, and whether all of them are over.
        self.tasks: list[Task] = []
        self.complete = False
        #: What the events ``shell.init`` and ``shell.start`` tell in addition.
        self.announcement: dict[str, Any] = {}
        #: Ranks of the brokers of shells whose tasks are over, as far as the leader has heard.
        self.over: list[int] = []
        #: What the leader is told, where that may be lost on the way.
        self.relay: Tidings | None = None
        #: The shell's exit code is at least this.
        self.exit_code = 0
        #: Sends a signal to the job's processes on this node.
        self.kill: Callable[[int], None] = lambda signum: None
        #: Called when nothing holds the shell any more.
        self.on_release: Callable[[], None] = lambda: None
        self._holds: set[str] = set()

    @property
    def leader(self) -> bool:
        """This is shell rank 0, which writes the job's logs and serves its clients."""
        return self.info.rank == 0

    def ready(self) -> dict[str, Any]:
        """What the execution service is told by ``job-exec.shell-ready``."""
        told = {"id": self.jobid, "rank": self.info.node.rank}
        return {**told, "over": self.over} if self.over else told

    def hold(self, name: str) -> None:
        """Keep the shell from ending when its tasks are over."""
        self._holds.add(name)

    def release(self, name: str) -> None:
        """Undo :meth:`hold`."""
        self._holds.discard(name)
        if not self._holds:
            self.on_release()

    @property
    def held(self) -> bool:
        """Something keeps the shell."""
        return bool(self._holds)

    def tell(self, method: str, payload: dict[str, Any]) -> None:
        """Call a method of the leader shell's service that has no answer; in vain once the broker is lost."""
        if self.relay is not None:
            self.relay.tell(method, payload)
            return
        with contextlib.suppress(ConnectionError):
            self.h.rpc(f"{self.service.name}.{method}", payload, self.leader_rank, FLUX_RPC_NORESPONSE)

    def ask(self, method: str, payload: dict[str, Any], then: Callable[[Future], None]) -> None:
        """Call a method of the leader shell's service. Raises ConnectionError: the broker is lost."""
        self.call(self.leader_rank, method, payload, then)

    def call(self, rank: int, method: str, payload: dict[str, Any], then: Callable[[Future], None]) -> None:
        """Call a method of the service of the shell on a broker's rank; ``then(future)`` gets the answer.

        Where shells outlive their brokers it may come to that shell twice. Raises ConnectionError."""
        Question(self, rank, method, payload, then)

    @property
    def leader_rank(self) -> int:
        """The rank of the leader's broker."""
        return self.info.resources.nodes[0].rank

    def pause(self, paused: bool) -> None:
        """Stop or go on reading the output of all tasks."""
        for task in self.tasks:
            task.pause(paused)


class ShellPlugin:
    """One concern of a shell: a subclass overrides the points at which it has something to do."""

    #: A plugin takes the place of an earlier one with its name.
    name = ""
    #: Options of a user's plugin, with what they take: a job with any others does not run.
    options: ClassVar[dict[str, str]] = {}
    #: The points that it overrides.
    points: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.points = tuple(
            point for point in _POINTS if getattr(cls, point) is not getattr(ShellPlugin, point)
        )

    @classmethod
    def choose(cls, options: Options) -> None:
        """Look at the job's options and set others, before they are checked and any plugin is made (not a
        point of flux-core's). How tasks are laid out is decided by then."""

    def __init__(self, shell: Api) -> None:
        self.shell = shell
        #: Clients may not hear of the job (``shell.init``) before this plugin's ``shell_init``.
        self.prepares = False

    # --- before the tasks

    def shell_connect(self) -> None:
        """There is a broker, but no plugin yet other than ``kill``: nothing is known of the job."""

    def shell_init(self) -> None:
        """Prepare this node. The shell is in the job's directory."""

    def shell_begin(self) -> None:
        """The job's logs begin (not a point of flux-core's): before ``shell_init`` where no plugin prepares
        anything that clients look for."""

    def shell_post_init(self) -> None:
        """All shells are prepared. Change here what the tasks share."""

    # --- each task

    def task_init(self, task: Task) -> None:
        """A task was made: change its command, environment, binding, streams."""

    def task_exec(self, task: Task) -> None:
        """Its program is about to be started, and inherits what is set of this process."""

    def task_fork(self, task: Task) -> None:
        """Its program runs."""

    def task_exit(self, task: Task) -> None:
        """It is over, and so is its output. Not called once the broker is lost."""

    def child_exit(self, pid: int, status: int) -> None:
        """A child that is no task has ended (not a point of flux-core's)."""

    # --- while they run, and after

    def shell_start(self) -> None:
        """The tasks of this shell have been started."""

    def shell_kill(self, signum: int) -> None:
        """The job gets a signal, its tasks have (not a point of flux-core's)."""

    def shell_lost(self, rank: int) -> None:
        """Another shell is lost. Only the leader hears of it."""

    def shell_finish(self) -> None:
        """The tasks of this shell are over. What holds the shell keeps it alive."""

    def shell_tasks_complete(self) -> None:
        """The tasks of all shells are over. Only the leader hears of it."""

    def shell_exit(self) -> None:
        """The shell ends, well or not: tell who waits, let go of what is open. Processes may still run."""

    def close(self) -> None:
        """Nothing of the job runs on this node any more: take away what was made for it."""


#: Its name in plugins that were written earlier.
Plugin = ShellPlugin

_POINTS = tuple(name for name in vars(ShellPlugin) if name.startswith(("shell_", "task_", "child_", "close")))
