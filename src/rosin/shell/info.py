# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a shell knows of its job: jobspec, resources, its own place, and the tasks of every node."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc import fluid, taskmap
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.payload import field
from rosin.rfc.taskmap import TaskMap
from rosin.shell import mustache
from rosin.shell.errors import ShellError
from rosin.shell.jobspec import ShellJobspec
from rosin.shell.layout import Node, Resources
from rosin.shell.options import Options


class ShellInfo:
    """Everything derived from a jobspec, an R and the rank of this node's broker.

    Attributes: ``jobid``, ``f58``, ``spec``, ``options``, ``resources``, ``rank`` (of this shell), ``size``
    (number of shells), ``ntasks`` (in the whole job), ``taskmap``, ``local_tasks`` (ranks of this shell's).
    """

    def __init__(self, jobid: int, spec: dict[str, Any], R: dict[str, Any], broker_rank: int) -> None:
        """Raises ShellError when jobspec or R cannot be used."""
        self.jobid = jobid
        try:
            self.resources = Resources(R)
            self.spec = ShellJobspec(spec, self.resources)
            self._distribute()
            self.rank = self.resources.shell_rank(broker_rank)
        except FormatError as error:
            raise ShellError(f"failed to initialize shell info: {error}") from None
        self.options = Options(self.spec.options)
        self.size = len(self.resources.nodes)
        self.taskmap = self._map_tasks()
        self.ntasks = self.taskmap.total_ntasks()
        for number, node in enumerate(self.resources.nodes):
            node.ntasks = self.taskmap.ntasks(number)
        self.local_tasks = list(self.taskmap.taskids(self.rank))
        self.adjusted = self._adjust()
        self.tmpdir: str | None = None
        #: Told of templates with something wrong, once each.
        self.on_bad_template: Callable[[str], None] = lambda fault: None
        self._templates: set[str] = set()

    def _distribute(self) -> None:
        if self.spec.per_resource is not None:
            self.resources.distribute_per_resource(*self.spec.per_resource)
        else:
            self.resources.distribute(self.spec.task_count, self.spec.cores_per_slot)
        self.resources.check_tasks()

    def _map_tasks(self) -> TaskMap:
        counts = [node.ntasks for node in self.resources.nodes]
        block = taskmap.block(counts)
        if self.options.get("taskmap") is None:
            return block
        if isinstance(self.options.get("taskmap"), str):  # as "-o taskmap=SCHEME:VALUE" sets it
            scheme, _, value = self.options.string("taskmap", "").partition(":")
        else:
            scheme = self.options.string("taskmap.scheme", "block")
            value = self.options.string("taskmap.value", "")
        if scheme == "block":
            if value:
                raise ShellError(f"block taskmap does not accept a value (got {value})")
            return block
        if scheme == "cyclic":
            stride = int(value) if value.isdigit() else 0 if value else 1
            if stride <= 0:
                raise ShellError(f"invalid cyclic stride: {value}")
            return taskmap.cyclic(counts, stride)
        try:
            if scheme == "manual":
                return taskmap.manual(value, block)
            if scheme == "hostfile":
                with open(os.path.join(self.spec.cwd or "", value), encoding="utf-8") as stream:
                    hosts = stream.read()
                nodelist = Hostlist.from_names(node.hostname for node in self.resources.nodes)
                return taskmap.hostfile(hosts, nodelist, block.total_ntasks())
        except FormatError as error:
            raise ShellError(f"taskmap={value}: {error}") from None
        except OSError as error:
            raise ShellError(f"taskmap={value}: {error.strerror}") from None
        known = "block, cyclic, manual, hostfile"
        raise ShellError(f"failed to map tasks with scheme={scheme} (known: {known})")

    def _adjust(self) -> list[str]:
        """Take back what a jobspec version 1 requested too much for an uneven job; says what changed here."""
        spec = self.spec
        if (
            spec.version != 1
            or spec.exclusive
            or spec.per_resource
            or spec.node_count <= 1
            or spec.slot_count <= self.ntasks
        ):
            return []
        before = self.node.cores, self.node.gpus
        self.resources.normalize(spec.cores_per_slot, spec.gpus_per_slot)
        after = self.node.cores, self.node.gpus
        return [
            f"{self.node.hostname}: adjusted {what} from {old} to {new}"
            for what, old, new in zip(("cores", "gpus"), before, after, strict=True)
            if old != new
        ]

    def set_environment(self, spec: dict[str, Any]) -> None:
        """Take the environment from the complete jobspec, where this was made from one without."""
        try:
            attributes = field(spec, "attributes", dict)
            environment = field(field(attributes, "system", dict, {}), "environment", dict, {})
        except FormatError as error:
            raise ShellError(f"error parsing jobspec: {error}") from None
        self.spec.environment = dict(environment)

    @property
    def f58(self) -> str:
        """The job id as tasks see it; plain ASCII where the job's environment asks for that."""
        ascii_only = "FLUX_F58_FORCE_ASCII" in self.spec.environment
        return fluid.encode(self.jobid, "f58plain" if ascii_only else "f58")

    @property
    def node(self) -> Node:
        """This shell's node."""
        return self.resources.nodes[self.rank]

    def host_of(self, task_rank: int) -> str:
        """Name of the host that runs a task."""
        number = self.taskmap.nodeid(task_rank)
        return "unknown" if number is None else self.resources.nodes[number].hostname

    # --- templates

    def render(
        self, template: str, task: tuple[int, int] | None = None, shell_rank: int | None = None
    ) -> str:
        """Expand ``{{...}}``. ``task`` is (rank, local id); without one its tags stay as they are. A
        ``shell_rank`` that no shell has leaves the node's tags as they are."""
        if "{{" not in template:
            return template
        if template not in self._templates:
            self._templates.add(template)
            for fault in mustache.faults(template):
                self.on_bad_template(fault)
        number = self.rank if shell_rank is None else shell_rank
        return mustache.render(template, lambda tag: self._tag(tag, task, number))

    def is_per_shell(self, template: str) -> bool:
        """Whether shells render this template to different names."""
        if self.size == 1:
            return False
        if "{{tmpdir}}" in template:
            return True
        first = self.local_tasks[0] if self.local_tasks else 0
        names = {self.render(template, shell_rank=0), self.render(template, shell_rank=1)}
        return len(names | {self.render(template, (first, 0), 0)}) > 1

    def _tag(self, tag: str, task: tuple[int, int] | None, shell_rank: int) -> str | None:
        tag = "task.id" if tag == "taskid" else tag
        if tag.startswith("jobid"):
            tag = tag[3:]
        head, dot, rest = tag.partition(".")
        if head == "id":
            if not dot or rest == "f58":
                return self.f58
            try:
                return fluid.encode(self.jobid, rest)
            except (FormatError, ValueError):
                return None
        if head == "task" and task is not None:
            number = {"id": task[0], "rank": task[0], "index": task[1], "localid": task[1]}.get(rest)
            return None if number is None else str(number)
        if head == "node" and shell_rank < self.size:
            return self._node_tag(rest, shell_rank)
        simple: dict[str, Any] = {
            "name": self.spec.name,
            "nnodes": self.size,
            "ntasks": self.ntasks,
            "size": self.ntasks,
            "tmpdir": self.tmpdir,
        }
        value = simple.get(tag)
        return None if value is None else str(value)

    def _node_tag(self, tag: str, shell_rank: int) -> str | None:
        node = self.resources.nodes[shell_rank]
        values: dict[str, Any] = {
            "id": shell_rank,
            "name": node.hostname,
            "broker_rank": node.rank,
            "ntasks": node.ntasks,
            "taskids": self.taskmap.taskids(shell_rank).encode(),
            "ncores": len(node.cores),
            "cores": node.cores.encode(),
            "gpus": node.gpus.encode(),
        }
        if tag == "resources":
            return _json.dumps({key: values[key] for key in ("ncores", "cores", "gpus")}).decode()
        value = values.get(tag.removeprefix("resources."))
        return None if value is None else str(value)
