# SPDX-License-Identifier: LGPL-3.0-or-later
"""The plugins of the job manager in their order, and how they are called.

No plugin can harm the manager by an exception: a refusal becomes the refusal of what was asked for, anything
else is logged, and the manager goes on as if the plugin had nothing to say.
"""

from __future__ import annotations

import errno
import traceback
from typing import TYPE_CHECKING, Any

from rosin.constants import FLUX_JOB_PRIORITY_MAX
from rosin.errors import FormatError
from rosin.modules.job_manager.job import system_attribute
from rosin.modules.job_manager.plugins.api import BUILT_IN, UNAVAILABLE, Plugin, Reject, Update, is_priority
from rosin.modules.job_manager.plugins.topics import Callbacks, services
from rosin.rfc import fluid
from rosin.rfc.dependency import check_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.modules.job_manager.core import Core
    from rosin.modules.job_manager.inactive import InactiveJob
    from rosin.modules.job_manager.job import Job
    from rosin.rfc.message import Message

    Found = tuple[tuple[Plugin, Callable[..., Any]], ...]

#: Topics that are remembered; users choose schemes, paths and names of events.
_REMEMBERED = 256
_REJECTED = "rejected by job-manager plugin"
_SCHEMES = (
    "it takes afterok, afternotok, afterany, afterstart, afterexcept, begin-time or singleton,"
    " as in --dependency=afterok:JOBID"
)


class Stack:
    """``plugins`` in the order in which they are called."""

    def __init__(self, manager: Core) -> None:
        self.manager = manager
        self.plugins: list[Plugin] = []
        #: Job id: who gets the job's events.
        self.subscribers: dict[int, list[Plugin]] = {}
        self._aux: dict[int, dict[Plugin, dict[str, Any]]] = {}
        #: What ``conf.update`` callbacks were given last.
        self.config: dict[str, Any] = {}
        self._callbacks: dict[Plugin, Callbacks] = {}
        self._found: dict[str, Found] = {}

    def add(self, plugin: Plugin) -> None:
        """Give *plugin* the configuration and put it at the end.

        Raises FormatError when a method is not as its topic wants it, OSError when it refuses the
        configuration or another has its service.
        """
        callbacks = Callbacks(plugin, check=plugin.path != BUILT_IN)
        method = callbacks.find("conf.update")
        if method is not None:
            self._configure(plugin, method, self.config)
        for topic, serve, allow_guest in services(plugin):
            self.manager.port.serve(topic, self._served(serve), allow_guest)
        self._callbacks[plugin] = callbacks
        self.plugins.append(plugin)
        self._found.clear()

    def discard(self, plugin: Plugin) -> None:
        """Take *plugin* out and stop it."""
        self.plugins.remove(plugin)
        del self._callbacks[plugin]
        self._found.clear()
        for topic, _, _ in services(plugin):
            self.manager.port.unserve(topic)
        for id in list(self.subscribers):
            self._unsubscribe(plugin, id)
        for kept in self._aux.values():
            kept.pop(plugin, None)
        self.guard(plugin, "stop", plugin.release)

    def has(self, plugin: Plugin) -> bool:
        """Whether *plugin* is on the stack."""
        return plugin in self.plugins

    def _served(self, method: Callable[[Message], Any]) -> Callable[[Message], None]:
        return lambda msg: self.manager.answer(msg, method(msg))

    def query(self, name: str) -> dict[str, Any]:
        """What is known of the plugin *name*. Raises OSError EINVAL."""
        plugin = next((plugin for plugin in self.plugins if plugin.name == name), None)
        if plugin is None:
            raise OSError(errno.EINVAL, f"{name}: plugin not found")
        known = {"name": plugin.name, "path": plugin.path}
        method = self._callbacks[plugin].find("plugin.query")
        if method is None:
            return known
        try:
            return {**known, **method()}
        except Exception as error:
            self._complain(plugin, "plugin.query", error)
            raise OSError(errno.EINVAL, "plugin.query failed") from None

    # -- calling ------------------------------------------------------------------------------------

    def find(self, topic: str) -> Found:
        """The plugins and methods that *topic* calls."""
        found = self._found.get(topic)
        if found is None:
            methods = ((plugin, self._callbacks[plugin].find(topic)) for plugin in self.plugins)
            found = tuple((plugin, method) for plugin, method in methods if method is not None)
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[topic] = found
        return found

    def tell(self, topic: str, job: Job | InactiveJob, *args: Any) -> None:
        """Call all that want to know of *topic*."""
        found = self._found.get(topic)  # each job is told of some ten times
        for plugin, method in self.find(topic) if found is None else found:
            try:
                method(job, *args)
            except Exception as error:
                self._complain(plugin, topic, error, job.id)

    def tell_one(self, plugin: Plugin, topic: str, job: Job, *args: Any) -> None:
        """Call *plugin* alone."""
        method = self._callbacks[plugin].find(topic)
        if method is not None:
            self.guard(plugin, topic, lambda: method(job, *args), job.id)

    def ask(self, topic: str, job: Job, *args: Any, unspecific: str = _REJECTED) -> int:
        """Call all for *topic*, of whom each may refuse; returns their number. Raises :class:`Reject`.

        ``unspecific`` is the reason when one of them failed instead of giving one.
        """
        found = self.find(topic)
        for plugin, method in found:
            try:
                method(job, *args)
            except Reject:
                raise
            except FormatError as error:
                raise Reject(str(error)) from None
            except Exception as error:
                self._complain(plugin, topic, error, job.id)
                raise Reject(unspecific) from None
        return len(found)

    def guard(self, plugin: Plugin, topic: str, call: Callable[[], Any], id: int | None = None) -> None:
        """Call something of *plugin*; log what goes wrong."""
        try:
            call()
        except Exception as error:
            self._complain(plugin, topic, error, id)

    def _complain(self, plugin: Plugin, topic: str, error: Exception, id: int | None = None) -> None:
        job = "" if id is None else f" {fluid.encode(id, 'f58')}:"
        if isinstance(error, OSError | FormatError):
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        else:
            text = "".join(traceback.format_exception(error)).rstrip()
        self.manager.port.log.error(f"jobtap: {plugin.name}: {topic}:{job} {text}")

    # -- what the manager asks ----------------------------------------------------------------------

    def admit(self, job: Job) -> None:
        """A new job: who refuses it? Raises :class:`Reject`."""
        self.ask("job.create", job)
        self.ask("job.validate", job)
        self.check_dependencies(job)

    def check_dependencies(self, job: Job) -> None:
        """Let the plugins add what *job* has to wait for. Raises :class:`Reject`, :class:`Unsupported`."""
        for scheme, dependency in dependencies(job):
            topic = f"job.dependency.{scheme}"
            if not self.ask(topic, job, dependency, unspecific="rejected by job-manager dependency plugin"):
                raise Unsupported(f'dependency scheme "{scheme}" not supported: {_SCHEMES}')

    def tell_dependencies(self, plugin: Plugin, job: Job) -> None:
        """Let *plugin*, which is new, add what *job* has to wait for."""

        def each() -> None:
            for scheme, dependency in dependencies(job):
                self.tell_one(plugin, f"job.dependency.{scheme}", job, dependency)

        self.guard(plugin, "job.dependency", each, job.id)

    def update(self, job: Job, update: Update) -> None:
        """A change of the jobspec: who knows the path, and who refuses it? Raises :class:`Reject`."""
        topic = f"job.update.{update.path}"
        if not self.ask(topic, job, update, unspecific="update rejected by job-manager plugin"):
            raise Reject(f"update of {update.path} not supported")

    def priority(self, job: Job, topic: str) -> int | None:
        """The priority that the last plugin with an opinion gives *job*; None: there is none yet."""
        priority: int | None = None
        for plugin, method in self.find(topic):
            try:
                value = method(job)
            except Exception as error:
                self._complain(plugin, topic, error, job.id)
                continue
            if is_priority(value):
                priority = value
            elif value == UNAVAILABLE:
                priority = None
            elif value is not None:
                self._no_priority(plugin, topic, job, value)
        return priority

    def _no_priority(self, plugin: Plugin, topic: str, job: Job, value: object) -> None:
        note = f"{plugin.name}: a priority is an integer from 0 to {FLUX_JOB_PRIORITY_MAX}, got {value!r:.80}"
        self.manager.except_(job, topic, 4, note)

    def configure(self, config: dict[str, Any]) -> None:
        """Give all the configuration. When one refuses it, those before it get the old one back: OSError."""
        given: list[tuple[Plugin, Callable[..., Any]]] = []
        for plugin, method in self.find("conf.update"):
            try:
                self._configure(plugin, method, config)
            except OSError:
                for earlier, again in given:
                    self._configure(earlier, again, self.config)
                raise
            given.append((plugin, method))
        self.config = config

    def _configure(self, plugin: Plugin, method: Callable[..., Any], config: dict[str, Any]) -> None:
        try:
            method(config)
        except Reject:
            raise
        except FormatError as error:
            raise Reject(str(error)) from None
        except Exception as error:
            self._complain(plugin, "conf.update", error)
            raise Reject(f"config rejected by {plugin.name} jobtap plugin") from None

    # -- a job's events -----------------------------------------------------------------------------

    def subscribe(self, plugin: Plugin, job: Job) -> None:
        """Have *plugin* called for the events of *job*."""
        plugins = self.subscribers.setdefault(job.id, [])
        if plugin not in plugins:
            plugins.append(plugin)

    def unsubscribe(self, plugin: Plugin, job: Job) -> None:
        """No longer."""
        self._unsubscribe(plugin, job.id)

    def _unsubscribe(self, plugin: Plugin, id: int) -> None:
        plugins = [other for other in self.subscribers.get(id, ()) if other is not plugin]
        if plugins:
            self.subscribers[id] = plugins
        else:
            self.subscribers.pop(id, None)

    def aux(self, plugin: Plugin, job: Job) -> dict[str, Any]:
        """What *plugin* keeps of *job*; of one that is over, nothing is kept."""
        kept = self._aux.get(job.id)
        if kept is None:
            kept = {}
            if job.id in self.manager.active or self.manager.holds(job):
                self._aux[job.id] = kept
        return kept.setdefault(plugin, {})

    def event(self, job: Job, entry: dict[str, Any]) -> None:
        """An event of *job*, for those that have subscribed to it."""
        for plugin in self.subscribers.get(job.id, ()):
            self.tell_one(plugin, f"job.event.{entry['name']}", job, entry)

    def destroy(self, job: Job) -> None:
        """*job* was refused or is over."""
        self.tell("job.destroy", job)
        self.subscribers.pop(job.id, None)
        self._aux.pop(job.id, None)

    def shut_down(self) -> None:
        """The service ends."""
        for plugin in self.plugins:
            self.guard(plugin, "stop", plugin.release)


class Unsupported(Reject):
    """No plugin knows the scheme of a dependency."""


def dependencies(job: Job) -> list[tuple[str, dict[str, Any]]]:
    """The dependencies of *job* (RFC 26) and their schemes. Raises :class:`Reject`."""
    found = system_attribute(job.jobspec, "dependencies") or ()
    if not isinstance(found, list | tuple):
        raise Reject("dependencies: expected an array")
    try:
        for item in found:
            check_keys(item)
    except FormatError as error:
        raise Reject(str(error)) from None
    return [(item["scheme"], item) for item in found]
