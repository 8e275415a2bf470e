# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a plugin of the job manager is made of, and what it may do (flux-core: jobtap).

A plugin is a subclass of :class:`Plugin` whose methods carry :func:`callback`, which names a topic. They run
inside the manager, in the order of the stack, and must not wait for anything.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, ClassVar

from rosin.constants import (
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_STATE_CLEANUP,
    FLUX_JOB_STATE_DEPEND,
    FLUX_JOB_STATE_NEW,
    FLUX_JOB_STATE_PENDING,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.job import Job
    from rosin.modules.job_manager.port import Log, PortTimer

#: In place of the file of a plugin that comes with the manager.
BUILT_IN = "builtin"
#: Returned instead of a priority by a callback that cannot tell it yet; :meth:`Plugin.reprioritize` follows.
UNAVAILABLE = -2

#: Events that only mean something together with what the manager does beside posting them.
RESERVED = frozenset(("submit", "validate", "invalidate", "depend", "alloc", "free", "clean", "release"))


class Reject(OSError):
    """Raised by a callback to refuse a job, an update or a configuration; the text is for whoever asked."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EINVAL, text)


class Update:
    """A requested change of a jobspec, as ``job.update.PATH`` callbacks get it.

    Attributes:
        path, value: what is to be set, ``attributes.system.duration`` for example, and to what.
        userid, rolemask: who asks.
        validated: set it when the changed jobspec need not pass ``job.validate``.
        feasibility: set it to have the scheduler asked whether the changed job could ever run.
        changes: {path: value} that the update comes to, at first only what was asked for.
    """

    __slots__ = ("changes", "feasibility", "path", "rolemask", "userid", "validated", "value")

    def __init__(self, path: str, value: Any, userid: int, rolemask: int) -> None:
        self.path = path
        self.value = value
        self.userid = userid
        self.rolemask = rolemask
        self.validated = self.feasibility = False
        self.changes: dict[str, Any] = {path: value}


def callback(*topics: str) -> Callable[[Any], Any]:
    """Mark a method as what is called for *topics*; the page of ``rosin jobtap`` lists them."""

    def mark(func: Any) -> Any:
        func._jobtap_topics = topics
        return func

    return mark


def service(method: str, *, allow_guest: bool = False) -> Callable[[Any], Any]:
    """Mark a method ``(msg) -> reply`` as the service ``job-manager.PLUGIN.METHOD``.

    The reply goes out once what the method has done is stored.
    """

    def mark(func: Any) -> Any:
        func._jobtap_service = (method, allow_guest)
        return func

    return mark


class Plugin:
    """Base class of plugins. ``conf`` is what it was loaded with, ``path`` its file or ``builtin``.

    Methods that change a job raise OSError ENOENT when it is over, or was refused. A job that a callback gets
    is to be read, not changed: ``id``, ``userid``, ``urgency``, ``priority``,
    ``t_submit``, ``flags``, ``state``, ``jobspec``, ``R`` (None before it is allocated), ``annotations``,
    ``dependencies``, ``end_event`` ((name, context) of what ended it).
    """

    #: How listings call it; a file gives its own name.
    name: ClassVar[str] = ""

    def __init__(self, manager: Core, conf: dict[str, Any], path: str = BUILT_IN) -> None:
        self.manager = manager
        self.conf = conf
        self.path = path
        self._timers: set[PortTimer] = set()

    def start(self) -> None:
        """Prepare, and look at ``conf``; an exception makes the load fail, with its text."""

    def stop(self) -> None:
        """The plugin is removed, or the job manager ends. Timers have been stopped."""

    # -- to know ------------------------------------------------------------------------------------

    @property
    def log(self) -> Log:
        """The broker's log: debug, info, warning, error."""
        return self.manager.port.log

    def now(self) -> float:
        """Seconds since the epoch, by the broker's clock."""
        return self.manager.port.now()

    def lookup(self, id: int) -> Job:
        """An active job. Raises OSError ENOENT."""
        return self.manager.lookup(id)

    def jobs(self) -> Iterable[Job]:
        """All active jobs."""
        return list(self.manager.active.values())

    def aux(self, job: Job) -> dict[str, Any]:
        """What this plugin keeps of *job*; forgotten after ``job.destroy``, and of jobs that are over."""
        return self.manager.jobtap.aux(self, job)

    # -- events -------------------------------------------------------------------------------------

    def post(self, job: Job, name: str, context: dict[str, Any] | None = None) -> None:
        """Post an event (RFC 21). Raises OSError EINVAL for one that is the manager's own.

        From a callback it happens after the event that the callback is about, and a wrong context is logged;
        else FormatError tells of it.
        """
        if not name or name in RESERVED:
            raise OSError(errno.EINVAL, f"event '{name}' is posted by the job manager only")
        self._post(job, name, context)

    def raise_exception(self, job: Job, kind: str, severity: int, note: str = "") -> None:
        """Raise an exception on *job*; of severity 0 on one that is being submitted it is a rejection."""
        if severity == 0 and job.state == FLUX_JOB_STATE_NEW:
            raise Reject(note or kind)
        self.manager.except_(self.manager.current(job), kind, severity, note)

    def set_flag(self, job: Job, flag: str) -> None:
        """Set ``debug``, ``immutable`` or ``alloc-bypass``."""
        self._post(job, "set-flags", {"flags": [flag]})

    def annotate(self, job: Job, annotations: dict[str, Any]) -> None:
        """Merge *annotations* (RFC 27) into those of a pending job; null takes one away."""
        self.manager.annotate(self.manager.current(job), annotations)

    def jobspec_update(self, job: Job, updates: dict[str, Any]) -> None:
        """Change the jobspec of a pending job: {path below ``attributes``: value}. Raises OSError EINVAL."""
        self._only_in(job, FLUX_JOB_STATE_NEW | FLUX_JOB_STATE_PENDING, "jobspec-update")
        self._post(job, "jobspec-update", updates)

    def subscribe(self, job: Job) -> None:
        """Have ``job.event.*`` callbacks called for *job*."""
        self.manager.jobtap.subscribe(self, self.manager.current(job))

    def unsubscribe(self, job: Job) -> None:
        """No longer."""
        self.manager.jobtap.unsubscribe(self, job)

    # -- dependencies and priorities ----------------------------------------------------------------

    def dependency_add(self, job: Job, description: str) -> None:
        """Let *job* wait for *description*, once. Raises OSError EINVAL when it no longer waits for any."""
        self._only_in(job, FLUX_JOB_STATE_NEW | FLUX_JOB_STATE_DEPEND, "dependency-add")
        if description not in (job.dependencies or ()) and description not in (job.satisfied or ()):
            self._post(job, "dependency-add", {"description": description})

    def dependency_remove(self, job: Job, description: str) -> None:
        """*job* need no longer wait for *description*; nothing happens if it does not."""
        if job.state <= FLUX_JOB_STATE_DEPEND and description in (job.dependencies or ()):
            self._post(job, "dependency-remove", {"description": description})

    def reprioritize(self, job: Job, priority: int) -> None:
        """Give *job* a priority (0 to 4294967295), if it is one to be scheduled. Raises ValueError."""
        if not is_priority(priority):
            raise ValueError(f"a priority is an integer from 0 to {FLUX_JOB_PRIORITY_MAX}, got {priority!r}")
        self.manager.reprioritize(self.manager.current(job), priority)

    def reprioritize_all(self) -> None:
        """Ask ``job.priority.get`` for all jobs that are to be scheduled."""
        self.manager.reprioritize_all()

    # -- prologs and epilogs ------------------------------------------------------------------------

    def prolog_start(self, job: Job, description: str) -> None:
        """Keep *job* from starting until :meth:`prolog_finish`. Raises OSError EINVAL once it has."""
        if job.start_pending or job.state >= FLUX_JOB_STATE_CLEANUP:
            raise OSError(errno.EINVAL, "prolog-start: the job has been started or is over")
        self._post(job, "prolog-start", {"description": description})

    def prolog_finish(self, job: Job, description: str, status: int = 0) -> None:
        """A prolog is over, with a wait status. One that failed raises an exception besides."""
        self._post(job, "prolog-finish", {"description": description, "status": status})

    def epilog_start(self, job: Job, description: str) -> None:
        """Keep the resources of *job*, which is in CLEANUP, until :meth:`epilog_finish`. Raises OSError."""
        self._only_in(job, FLUX_JOB_STATE_CLEANUP, "epilog-start")
        self._post(job, "epilog-start", {"description": description})

    def epilog_finish(self, job: Job, description: str, status: int = 0) -> None:
        """An epilog is over, with a wait status."""
        self._post(job, "epilog-finish", {"description": description, "status": status})

    # -- time and other services --------------------------------------------------------------------

    def later(self, seconds: float, call: Callable[[], None]) -> PortTimer:
        """Call back once after *seconds*, unless the plugin is removed before; ``cancel()`` takes it back."""

        def fire() -> None:
            self._timers.discard(timer)
            self.manager.jobtap.guard(self, "timer", call)

        timer = self.manager.port.later(seconds, fire)
        self._timers.add(timer)
        return timer

    def cancel(self, timer: PortTimer) -> None:
        """Take a timer back."""
        self._timers.discard(timer)
        timer.cancel()

    def rpc(self, topic: str, payload: dict[str, Any], done: Callable[[Any, OSError | None], None]) -> None:
        """Send a request; ``done(payload, None)`` or ``done(None, error)`` follows, unless it is removed."""
        stack = self.manager.jobtap

        def answered(answer: Any, error: OSError | None) -> None:
            if stack.has(self):
                stack.guard(self, topic, lambda: done(answer, error))

        self.manager.port.rpc(topic, payload, answered)

    # -- the stack's side ---------------------------------------------------------------------------

    def release(self) -> None:
        """Stop the timers, then the plugin."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.stop()

    def _post(self, job: Job, name: str, context: dict[str, Any] | None) -> None:
        """Raises OSError ENOENT when *job* is over, or was refused."""
        self.manager.post(self.manager.current(job), name, context)

    @staticmethod
    def _only_in(job: Job, states: int, what: str) -> None:
        if not job.state & states:
            raise OSError(errno.EINVAL, f"{what}: not in this state of the job")


def is_priority(value: Any) -> bool:
    """Whether *value* is a priority (RFC 30)."""
    return type(value) is int and 0 <= value <= FLUX_JOB_PRIORITY_MAX
