# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 25: what a version 1 jobspec asks for, in numbers. (Its rules: :mod:`rosin.rfc.jobspec.rules`.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.jobspec.rules import validate

if TYPE_CHECKING:
    from typing import Self


class Jobspec:
    """Read-only view of a valid version 1 jobspec.

    ``obj``: the dict itself. ``nnodes``: nodes asked for, 0 when the scheduler may choose.
    ``slots_per_node``: 0 when ``nnodes`` is. ``nslots``: all slots. ``cores_per_slot``, ``gpus_per_slot``.
    ``exclusive``: whole nodes. ``duration``: seconds as float, 0.0 for no limit. ``command``: list of str.
    ``label``: label of the slot. ``system``: ``attributes.system``.

    The constructor trusts its argument; :meth:`checked` and :meth:`decode` validate.
    """

    __slots__ = (
        "command",
        "cores_per_slot",
        "duration",
        "exclusive",
        "gpus_per_slot",
        "label",
        "nnodes",
        "nslots",
        "obj",
        "slots_per_node",
        "system",
    )

    def __init__(self, obj: dict[str, Any]) -> None:
        self.obj = obj
        vertex = obj["resources"][0]
        exclusive = vertex.get("exclusive", False)
        self.nnodes: int = 0
        self.slots_per_node: int = 0
        if vertex["type"] == "node":
            self.nnodes = vertex["count"]
            vertex = vertex["with"][0]
            exclusive = exclusive or vertex.get("exclusive", False)
            self.slots_per_node = vertex["count"]
            self.nslots: int = self.nnodes * self.slots_per_node
        else:
            self.nslots = vertex["count"]
        self.exclusive: bool = exclusive
        self.label: str = vertex["label"]
        self.cores_per_slot: int = 0
        self.gpus_per_slot: int = 0
        for child in vertex["with"]:
            if child["type"] == "core":
                self.cores_per_slot = child["count"]
            else:
                self.gpus_per_slot = child["count"]
        self.command: list[str] = obj["tasks"][0]["command"]
        self.system: dict[str, Any] = obj["attributes"]["system"]
        self.duration = float(self.system["duration"])

    @classmethod
    def checked(cls, obj: Any) -> Self:
        """Validate *obj* as version 1 and view it. Raises FormatError."""
        validate(obj)
        return cls(obj)

    @classmethod
    def decode(cls, text: str | bytes) -> Self:
        """Decode JSON text, validate it as version 1 and view it. Raises FormatError."""
        try:
            obj = _json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"jobspec: not valid JSON: {error}") from None
        return cls.checked(obj)

    @property
    def ncores(self) -> int:
        """Cores in all slots."""
        return self.nslots * self.cores_per_slot

    @property
    def ngpus(self) -> int:
        """GPUs in all slots."""
        return self.nslots * self.gpus_per_slot

    @property
    def ntasks(self) -> int:
        """Tasks by ``tasks[0].count``, without the shell's ``per-resource`` (see :meth:`task_count`)."""
        count: dict[str, int] = self.obj["tasks"][0]["count"]
        return count["total"] if "total" in count else count["per_slot"] * self.nslots

    @property
    def per_resource(self) -> tuple[str, int] | None:
        """The shell option ``per-resource``: tasks per (``node`` or ``core``, number), or None."""
        option = self.shell_options.get("per-resource")
        if type(option) is not dict:
            return None
        kind, number = option.get("type"), option.get("count", 1)
        if kind not in ("node", "core") or type(number) is not int or number < 1:
            return None
        return kind, number

    def task_count(self, nnodes: int, ncores: int) -> int:
        """Return the tasks of the job on an allocation of *nnodes* nodes and *ncores* cores."""
        per_resource = self.per_resource
        if per_resource is None:
            return self.ntasks
        kind, number = per_resource
        return number * (nnodes if kind == "node" else ncores)

    @property
    def name(self) -> str:
        """The job's name: ``job.name``, else the last part of the path of its command."""
        name = self.getattr("job.name")
        return name if isinstance(name, str) else self.command[0].rpartition("/")[2]

    @property
    def queue(self) -> str | None:
        """Name of the queue, or None."""
        return self.system.get("queue")

    @property
    def cwd(self) -> str | None:
        """Working directory of the tasks, or None."""
        return self.system.get("cwd")

    @property
    def environment(self) -> dict[str, str | None]:
        """Environment of the tasks; None stands for a variable to unset."""
        return self.system.get("environment") or {}

    @property
    def shell_options(self) -> dict[str, Any]:
        """Options of the job shell."""
        shell: dict[str, Any] = self.system.get("shell") or {}
        return shell.get("options") or {}

    def getattr(self, path: str, default: Any = None) -> Any:
        """Return the attribute at a dotted *path* below ``attributes.system``, or *default*.

        ``attributes.`` or ``system.`` or ``user.`` may lead the path.
        """
        path = path.removeprefix("attributes.")
        value: Any = self.obj["attributes"]
        if not path.startswith(("system.", "user.")):
            value = self.system
        for step in path.split("."):
            if type(value) is not dict or step not in value:
                return default
            value = value[step]
        return value

    def __repr__(self) -> str:
        return f"Jobspec({self.obj!r})"
