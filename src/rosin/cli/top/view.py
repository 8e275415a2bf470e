# SPDX-License-Identifier: LGPL-3.0-or-later
"""One instance on a terminal: it asks, is told, shows, and does what is typed."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from rosin import kvs
from rosin.cli.base import connect, id_text
from rosin.cli.top.model import Facts, Model
from rosin.cli.top.screen import draw
from rosin.constants import (
    FLUX_JOB_STATE_RUNNING,
    FLUX_MSGTYPE_EVENT,
    FLUX_POLLIN,
    FLUX_RPC_STREAMING,
    FLUX_USERID_UNKNOWN,
)
from rosin.job.listing import job_list
from rosin.job.uri import JobURI
from rosin.resource.list import resource_list
from rosin.rfc.fluid import parse

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rosin.cli.top.terminal import CursesTerminal
    from rosin.handle.flux import Flux

_ATTRS = ("annotations", "userid", "state", "name", "queue", "nnodes", "ntasks", "t_run")
#: Jobs that are asked for at most: more than a screen has rows.
_MOST = 500
#: Seconds between two looks at the resources, before another list of jobs, and that a beat is seen.
_REFRESH, _CALM, _BEAT = 2.0, 1.0, 0.5


class View:
    """``h`` is its own: it is closed with the view."""

    def __init__(self, h: Flux, model: Model) -> None:
        self.model = model
        self._h = h
        self._terminal: CursesTerminal
        self._once = False
        self._told: set[str] = set()
        self._asked = False
        self._coming: list[dict[str, Any]] = []
        self._listing = False

    @classmethod
    def of(cls, uri: str | None, title: str | None) -> View:
        """The view of an instance, of which a job's note may tell. Raises OSError."""
        h = connect(uri and JobURI(uri).near)
        try:
            config = h.rpc("config.get").get()
            return cls(h, Model(_facts(h, title), config, _users(), time.time()))
        except BaseException:
            h.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._h.close()

    def run(self, terminal: CursesTerminal, once: bool = False) -> None:
        """Show it until the user leaves; ``once``: until all has been shown. Raises OSError."""
        self._terminal, self._once = terminal, once
        h = self._h
        watchers = [
            h.fd_watcher_create(0, self._typed, FLUX_POLLIN),
            h.timer_watcher_create(0.0, self._tick, _REFRESH),
            h.signal_watcher_create(signal.SIGWINCH, self._resized),
            h.msg_watcher_create(self._beat, FLUX_MSGTYPE_EVENT, "heartbeat.pulse"),
        ]
        self._calm = h.timer_watcher_create(_CALM, self._list_jobs)
        self._fade = h.timer_watcher_create(_BEAT, self._faded)
        for watcher in watchers:
            watcher.start()
        h.event_subscribe("heartbeat.pulse").get()
        h.rpc("job-list.job-stats", {}, 0, FLUX_RPC_STREAMING).then(self._counted)
        self._list_jobs()
        self._show()
        try:
            h.reactor_run()
        finally:
            for watcher in (*watchers, self._calm, self._fade):
                watcher.destroy()

    # -- what is told ---------------------------------------------------------------------------------

    def _tick(self, *_: Any) -> None:
        if not self._asked:
            self._asked = True
            resource_list(self._h).then(self._found)
        self._show()

    def _found(self, rpc: Any) -> None:
        self._asked = False
        self._take("resources", rpc, self.model.take_resources)

    def _counted(self, rpc: Any) -> None:
        if self._take("stats", rpc, self.model.take_stats):
            rpc.reset()
            if not self._calm.started:
                self._calm.reset()

    def _take(self, what: str, rpc: Any, take: Any) -> bool:
        """Take an answer; returns whether there was one. A service that is not there yet is no fault."""
        try:
            take(rpc.get())
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EPERM):
                self.model.message = f"{what}: {error.strerror}"
            self._complete(what)
            return False
        self._complete(what)
        return True

    def _list_jobs(self, *_: Any) -> None:
        if not self._listing:
            self._listing = True
            self._coming = []
            jobs = job_list(self._h, _MOST, _ATTRS, FLUX_USERID_UNKNOWN, FLUX_JOB_STATE_RUNNING)
            jobs.then(self._listed)

    def _listed(self, rpc: Any) -> None:
        try:
            answer = rpc.get()
            self._coming += answer["jobs"]
            if answer.get("version"):
                rpc.reset()
                return
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOSYS):
                self.model.message = f"jobs: {error.strerror}"
        self._listing = False
        self.model.take_jobs(self._coming)
        self._complete("jobs")

    def _complete(self, what: str) -> None:
        self._told.add(what)
        self._show()
        if self._once and len(self._told) == 3:
            self._h.reactor_stop()

    def _beat(self, *_: Any) -> None:
        self.model.heart = True
        self._fade.reset()
        self._show()

    def _faded(self, *_: Any) -> None:
        self.model.heart = False
        self._show()

    # -- the terminal ---------------------------------------------------------------------------------

    def _show(self) -> None:
        self.model.now = time.time()
        self._terminal.paint(draw(self.model, *self._terminal.size()))

    def _resized(self, *_: Any) -> None:
        self._terminal.resized()
        self._show()

    def _typed(self, *_: Any) -> None:
        typed = self._terminal.keys()
        if not typed and self._terminal.gone():
            self._h.reactor_stop()
        for key in typed:
            self.model.message = ""
            self._do(key)
        self._show()

    def _do(self, key: str) -> None:
        if key in "jk" and key:
            self.model.select(1 if key == "j" else -1)
        elif key in "hl" and key:
            self.model.turn_queue(1 if key == "l" else -1)
        elif key == "d":
            self.model.details = not self.model.details
        elif key == "redraw":
            self._terminal.redraw()
        elif key == "enter":
            self._enter()
        elif key == "q":
            self._h.reactor_stop()

    def _enter(self) -> None:
        """Show the chosen job's instance, until the user comes back."""
        job = self.model.chosen()
        if job is None or job.uri is None:
            return
        if job.userid != os.getuid():  # who may have written anything there
            self.model.message = f"{id_text(job.id)} is another user's instance"
            return
        try:
            with View.of(job.uri, f"{self.model.facts.title}/{id_text(job.id)}") as inner:
                inner.run(self._terminal)
        except (OSError, ValueError) as error:
            self.model.message = f"{id_text(job.id)}: {getattr(error, 'strerror', None) or error}"
        self._terminal.redraw()


def _facts(h: Flux, title: str | None) -> Facts:
    if title is None:
        try:
            title = id_text(parse(h.attr_get("jobid")))
        except FileNotFoundError:  # no job
            title = ""
    start = h.rpc("attr.get", {"name": "broker.starttime"}, 0).get()["value"]
    return Facts(
        title,
        int(h.attr_get("size")),
        int(h.attr_get("instance-level")),
        float(start),
        h.attr_get("version"),
        _expiration(h),
        int(h.attr_get("security.owner")) == os.getuid(),
    )


def _expiration(h: Flux) -> float:
    try:
        return float(kvs.get(h, "resource.R")["execution"].get("expiration", 0.0))
    except (PermissionError, FileNotFoundError):  # of a guest; before it is known
        return 0.0


def _users() -> Any:
    """The name of a user id, looked up once."""
    from functools import cache
    from pwd import getpwuid

    @cache
    def name(userid: int) -> str:
        try:
            return getpwuid(userid).pw_name
        except KeyError:
            return str(userid)

    return name
