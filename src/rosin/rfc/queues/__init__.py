# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: the ``policy`` and ``queues`` tables of a configuration, and what they mean for a job.

Without queues there is one anonymous queue, named None here. A *virtual* queue has a ``parent``, whose
resources and policy it has unless it says otherwise. A job's queue asks for properties of its nodes: those
that ``requires`` names, or ``+NAME``, which the nodes of ``hosts`` have.

flux-core does not know ``hosts`` yet. As there, several queues need no default among them.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.payload import describe
from rosin.rfc.queues.policy import QueuePolicy, string, strings, sub_table
from rosin.rfc.rset.format import check_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rosin.rfc.rset import ResourceSet

#: ``hosts`` for every host.
ALL = "all"

_KEYS = ("policy", "requires", "hosts", "parent")


class QueueEntry:
    """A ``queues.NAME`` table.

    Attributes:
        name: the queue.
        policy: its own policy.
        requires: properties that its jobs' nodes must have, or None.
        hosts: hosts that belong to it as a hostlist, or ``ALL``; None: all resources.
        parent: name of the queue that this is a virtual queue of, or None.
    """

    __slots__ = ("hosts", "name", "parent", "policy", "requires")

    def __init__(self, name: str, table: Any) -> None:
        """Raises FormatError that names the place."""
        place = f"queues.{_shown(name)}"
        entry = sub_table({"": table}, "", place, _KEYS)
        self.name = name
        self.parent = string(entry["parent"], f"{place}.parent") if "parent" in entry else None
        self.policy = QueuePolicy.decode(entry.get("policy", {}), f"{place}.policy")
        if "queue" in self.policy.defaults:
            system = f"{place}.policy.jobspec.defaults.system.queue"
            raise FormatError(f"{system}: a queue cannot tell the default queue")
        self.requires = self._read_requires(entry, f"{place}.requires")
        self.hosts = self._read_hosts(entry, f"{place}.hosts")
        if self.parent is not None:
            wrong = {
                "requires": self.requires,
                "hosts": self.hosts,
                "policy.scheduler": self.policy.scheduler,
            }
            for key, value in wrong.items():
                if value is not None:
                    raise FormatError(f"{place}.{key}: a virtual queue has that of its parent")
        if self.requires is not None and self.hosts is not None:
            raise FormatError(f"{place}: requires and hosts cannot both be set")

    @staticmethod
    def _read_requires(entry: dict[str, Any], place: str) -> list[str] | None:
        if "requires" not in entry:
            return None
        names = strings(entry["requires"], place)
        for at, name in enumerate(names):
            try:
                check_property(name)
                if " " in name or "\t" in name:
                    raise FormatError(f"blank in property {describe(name)}")
            except FormatError as error:
                raise FormatError(f"{place}[{at}]: {error}") from None
        return names

    def _read_hosts(self, entry: dict[str, Any], place: str) -> str | None:
        if "hosts" not in entry:
            return None
        text = string(entry["hosts"], place)
        try:
            check_property(self.membership)
            if text != ALL and not Hostlist(text):
                raise FormatError("there is no host")
        except FormatError as error:
            raise FormatError(f"{place}: {error}") from None
        return text

    @property
    def membership(self) -> str:
        """The property of the nodes of ``hosts``."""
        return f"+{self.name}"

    def members(self, rset: ResourceSet) -> Idset:
        """Return the ranks of ``hosts``; FormatError if there are none or a host is unknown."""
        place = f"queues.{_shown(self.name)}.hosts"
        if self.hosts in (None, ALL):
            ranks = rset.ranks()
        else:
            try:
                ranks = Idset(rset.host_ranks(self.hosts or ""))
            except FileNotFoundError as error:
                raise FormatError(f"{place}: {error.strerror}") from None
        if not ranks:
            raise FormatError(f"{place}: there is no such resource")
        return ranks


def asked_of_nodes(queues: dict[str, Any], name: str) -> list[str]:
    """Return the properties of a queue's nodes, from the ``queues`` table of a broker, which has checked it.

    Raises FormatError when the parent of a virtual queue is missing.
    """
    owner = queues[name].get("parent", name)
    if owner not in queues:
        raise FormatError(f"queue '{name}': parent queue '{owner}' is not configured")
    return [f"+{owner}"] if "hosts" in queues[owner] else list(queues[owner].get("requires", ()))


class QueueConfig:
    """The queues of a configuration.

    Attributes:
        policy: what holds for all queues.
        queues: the named queues; none: there is the anonymous one.
        default: name of the queue of jobs that name none, or None.
    """

    __slots__ = ("default", "policy", "queues")

    def __init__(self, config: dict[str, Any]) -> None:
        """Read ``policy`` and ``queues`` of a configuration. Raises FormatError that names the place."""
        self.policy = QueuePolicy.decode(config.get("policy", {}))
        tables = config.get("queues", {})
        if type(tables) is not dict:
            raise FormatError(f"queues: must be a table, got {describe(tables)}")
        self.queues = {name: QueueEntry(name, table) for name, table in tables.items()}
        for entry in self.queues.values():
            self._check_parent(entry)
        self.default: str | None = self.policy.defaults.get("queue")
        if self.default is not None and self.default not in self.queues:
            text = f"{describe(self.default)} is not a configured queue"
            raise FormatError(f"policy.jobspec.defaults.system.queue: {text}")

    def _check_parent(self, entry: QueueEntry) -> None:
        if entry.parent is None:
            return
        place = f"queues.{_shown(entry.name)}.parent"
        if entry.parent == entry.name:
            raise FormatError(f"{place}: parent queue is itself")
        if entry.parent not in self.queues:
            raise FormatError(f"{place}: parent queue {describe(entry.parent)} is not configured")
        if self.queues[entry.parent].parent is not None:
            raise FormatError(f"{place}: parent queue {describe(entry.parent)} is itself a virtual queue")

    def effective(self, name: str | None) -> QueuePolicy:
        """Return the policy of a queue: its own, then its parent's, then that of all.

        A name that is no queue has the policy of all.
        """
        policy = self.policy
        entry = self.queues.get(name) if name is not None else None
        if entry is not None:
            if entry.parent is not None:
                policy = self.queues[entry.parent].policy.over(policy)
            policy = entry.policy.over(policy)
        return policy

    def required(self, name: str | None) -> list[str]:
        """Return the properties that the jobs of a queue ask of their nodes."""
        entry = self.queues.get(name) if name is not None else None
        if entry is not None and entry.parent is not None:
            entry = self.queues[entry.parent]
        if entry is None:
            return []
        if entry.hosts is not None:
            return [entry.membership]
        return list(entry.requires or ())

    def apply_memberships(self, rset: ResourceSet) -> None:
        """Give the nodes of each queue with ``hosts`` its property. Raises FormatError."""
        for entry in self.queues.values():
            if entry.hosts is not None:
                rset.set_property(entry.membership, entry.members(rset))


def constrained(constraints: Any, properties: list[str]) -> dict[str, Any]:
    """Return RFC 31 constraints that ask for ``constraints`` (None: nothing) and for all ``properties``."""
    required = {"properties": properties}
    if not constraints:
        return required
    if set(constraints) == {"properties"}:
        return {"properties": [*constraints["properties"], *properties]}
    return {"and": [constraints, required]}


def is_started(status: dict[str, Any]) -> bool:
    """Tell from a status object whether a queue was started, though something else may block it."""
    return bool(status.get("start")) or "blocked" in status


def _shown(name: str) -> str:
    return name if len(name) <= 40 and name.isprintable() else describe(name)
