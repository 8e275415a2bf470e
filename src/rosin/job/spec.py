# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14, RFC 25: jobspecs as objects with settable properties."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc import jobspec as rfc14
from rosin.rfc import jobspec_build as build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Self

_TOP = ("resources", "tasks", "attributes", "version")


def current_environment() -> dict[str, str]:
    """The variables of this process that JSON can hold: those that are not UTF-8 are left out."""
    return {name: value for name, value in os.environ.items() if _encodable(name + value)}


def _encodable(text: str) -> bool:
    if text.isprintable():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _path(what: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"The {what} must be a string or pathlib object, got {type(value).__name__}")
    return os.fspath(value) if isinstance(value, str) else str(value)


class Jobspec:
    """A jobspec of any version of RFC 14. ``jobspec`` is its plain dict.

    Raises FormatError, a ValueError, when the parts do not make a valid jobspec, and TypeError when a part
    is of the wrong type altogether.
    """

    def __init__(
        self,
        resources: Sequence[Any],
        tasks: Sequence[Any],
        attributes: Mapping[str, Any],
        version: int,
    ) -> None:
        for name, value in (("resources", resources), ("tasks", tasks)):
            if isinstance(value, str | bytes) or not hasattr(value, "__getitem__") or hasattr(value, "keys"):
                raise TypeError(f"{name} must be a sequence")
        if not hasattr(attributes, "keys"):
            raise TypeError("attributes must be a mapping")
        if type(version) is not int:
            raise TypeError("version must be an integer")
        self.jobspec: dict[str, Any] = {
            "resources": resources,
            "tasks": tasks,
            "attributes": attributes,
            "version": version,
        }
        self._validate()

    def _validate(self) -> None:
        rfc14.validate(self.jobspec, canonical=True)

    @classmethod
    def from_dict(cls, obj: Mapping[str, Any]) -> Self:
        """Make a jobspec of its dict. Raises ValueError."""
        missing = [key for key in _TOP if key not in obj]
        extra = [key for key in obj if key not in _TOP]
        if missing or extra:
            raise ValueError(f"Missing key ({missing[0]})" if missing else f"Extraneous key ({extra[0]})")
        return cls(**obj)

    @classmethod
    def from_yaml_stream(cls, yaml_stream: Any) -> Self:
        """Read a jobspec from YAML (or JSON): an open file or text."""
        import yaml

        obj = yaml.safe_load(yaml_stream)
        if not isinstance(obj, dict):
            raise ValueError("a jobspec must be a mapping")
        return cls.from_dict(obj)

    @classmethod
    def from_yaml_file(cls, filename: str | os.PathLike[str]) -> Self:
        """Read a jobspec from a YAML file."""
        with open(filename, "rb") as stream:
            return cls.from_yaml_stream(stream)

    # -- parts ------------------------------------------------------------------------------------

    @property
    def resources(self) -> Any:
        return self.jobspec["resources"]

    @property
    def tasks(self) -> Any:
        return self.jobspec["tasks"]

    @property
    def attributes(self) -> Any:
        return self.jobspec["attributes"]

    @property
    def version(self) -> int:
        return self.jobspec["version"]  # type: ignore[no-any-return]

    def dumps(self, **kwargs: Any) -> str:
        """The jobspec as JSON text; arguments as for :func:`json.dumps`."""
        import json

        return json.dumps(self.jobspec, **kwargs)

    def encode(self) -> bytes:
        """The jobspec as compact JSON. Raises ValueError for values that JSON cannot hold."""
        return _json.dumps(self.jobspec)

    def __str__(self) -> str:
        return self.dumps()

    def resource_walk(self) -> Iterator[tuple[Any, dict[str, Any], int]]:
        """Yield (parent, resource, total count) of every resource, parents first."""
        stack: list[tuple[Any, Any, int]] = [(None, entry, 1) for entry in reversed(self.resources)]
        while stack:
            parent, resource, outer = stack.pop()
            count = outer * _lowest(resource.get("count", 1))
            yield parent, resource, count
            stack += [(resource, entry, count) for entry in reversed(resource.get("with", []))]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield every resource, parents first."""
        for _, resource, _ in self.resource_walk():
            yield resource

    def resource_counts(self) -> dict[str, int]:
        """Total count of each type of resource."""
        counts: dict[str, int] = {}
        for _, resource, count in self.resource_walk():
            counts[resource["type"]] = counts.get(resource["type"], 0) + count
        return counts

    # -- attributes -------------------------------------------------------------------------------

    def getattr(self, key: str) -> Any:
        """The attribute at a dotted path (``system.`` may be left out). Raises KeyError."""
        node: Any = self.attributes
        for step in _steps(key):
            if not isinstance(node, dict) or step not in node:
                raise KeyError(key)
            node = node[step]
        return node

    def setattr(self, key: str, val: Any) -> None:
        """Set the attribute at a dotted path (``system.`` may be left out); None removes it."""
        if val is not None:
            build.set_attribute(self.jobspec, key, val)
            return
        *parents, last = _steps(key)
        try:
            node = self.getattr("attributes." + ".".join(parents))
        except KeyError:
            return
        if isinstance(node, dict):
            node.pop(last, None)

    def setattr_shell_option(self, key: str, val: Any) -> None:
        """Set an option of the job shell; None removes it."""
        self.setattr(f"system.shell.options.{key}", val)

    def _get(self, key: str) -> Any:
        try:
            return self.getattr(key)
        except KeyError:
            return None

    @property
    def duration(self) -> float:
        """Time limit in seconds, 0 for none. Set it to seconds, FSD text (``"5m"``) or a timedelta."""
        return self._get("system.duration")  # type: ignore[no-any-return]

    @duration.setter
    def duration(self, duration: Any) -> None:
        seconds = getattr(duration, "total_seconds", None)
        value = seconds() if seconds is not None else duration
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError("duration must be an int, float, string, or timedelta")
        self.jobspec["attributes"]["system"]["duration"] = build.seconds(value)

    @property
    def queue(self) -> str | None:
        """Name of the queue, None for the default one."""
        return self._get("system.queue")  # type: ignore[no-any-return]

    @queue.setter
    def queue(self, queue: str) -> None:
        if not isinstance(queue, str):
            raise TypeError("queue must be a string")
        self.setattr("system.queue", queue)

    @property
    def cwd(self) -> str | None:
        """Working directory of the tasks."""
        return self._get("system.cwd")  # type: ignore[no-any-return]

    @cwd.setter
    def cwd(self, cwd: str | os.PathLike[str]) -> None:
        if not isinstance(cwd, str | os.PathLike):
            raise ValueError("cwd must be a string")
        self.setattr("system.cwd", os.fspath(cwd))

    @property
    def environment(self) -> dict[str, str] | None:
        """Environment of the tasks."""
        return self._get("system.environment")  # type: ignore[no-any-return]

    @environment.setter
    def environment(self, environ: Mapping[str, str]) -> None:
        if not hasattr(environ, "keys"):
            raise ValueError("environment must be a mapping")
        self.setattr("system.environment", dict(environ))

    def _stream(self, name: str) -> str | None:
        return self._get(f"system.shell.options.{name}.path")  # type: ignore[no-any-return]

    def _redirect(self, name: str, path: Any) -> None:
        self.setattr_shell_option(f"{name}.type", "file")
        self.setattr_shell_option(f"{name}.path", _path("path", path))

    @property
    def input(self) -> str | None:
        """File that standard input is read from."""
        return self._stream("input.stdin")

    @input.setter
    def input(self, path: str | os.PathLike[str]) -> None:
        self._redirect("input.stdin", path)

    @property
    def output(self) -> str | None:
        """File that standard output goes to; mustache templates such as ``{{id}}`` are filled in."""
        return self._stream("output.stdout")

    @output.setter
    def output(self, path: str | os.PathLike[str]) -> None:
        self._redirect("output.stdout", path)

    @property
    def error(self) -> str | None:
        """File that standard error goes to, that of the output if not set."""
        return self._stream("output.stderr")

    @error.setter
    def error(self, path: str | os.PathLike[str]) -> None:
        self._redirect("output.stderr", path)

    stdin, stdout, stderr = input, output, error

    @property
    def unbuffered(self) -> bool:
        """Whether output is passed on without being collected to lines."""
        return all(
            self._get(f"system.shell.options.output.{name}.buffer.type") == "none"
            for name in ("stdout", "stderr")
        )

    @unbuffered.setter
    def unbuffered(self, value: bool) -> None:
        if value:
            build.set_unbuffered(self.jobspec)
            return
        for name in ("stdout", "stderr"):
            self.setattr_shell_option(f"output.{name}.buffer", None)
        self.setattr_shell_option("output.batch-timeout", None)
        self.setattr_shell_option("input.batch-timeout", None)

    def add_file(
        self, path: str, data: str | dict[str, Any], perms: int | None = None, encoding: str | None = None
    ) -> None:
        """Give the job a file (RFC 37).

        ``data``: an object; or the content, if it has a newline or an ``encoding`` (utf-8, base64) is
        given; or else the name of a local file, whose mode is kept.
        """
        if not isinstance(data, str | dict):
            raise TypeError("data must be a Mapping or string")
        if encoding not in (None, "utf-8", "base64"):
            raise ValueError(f"invalid encoding: {encoding}")
        if isinstance(data, dict):
            build.add_file(self.jobspec, path, data, 0o600 if perms is None else perms)
        elif encoding is not None or "\n" in data:
            build.add_file(self.jobspec, path, data, 0o600 if perms is None else perms, encoding or "utf-8")
        else:
            self._load_file(path, data)

    def _load_file(self, path: str, source: str) -> None:
        with open(source, "rb") as stream:
            content, status = stream.read(), os.fstat(stream.fileno())
        encoding = "utf-8"
        try:
            text = content.decode()
        except UnicodeDecodeError:
            from binascii import b2a_base64

            encoding, text = "base64", b2a_base64(content, newline=False).decode()
        build.add_file(self.jobspec, path, text, 0, encoding)
        entry = self.jobspec["attributes"]["system"]["files"][path]
        entry.update(mode=status.st_mode, size=status.st_size)


def _steps(key: str) -> list[str]:
    steps = key.removeprefix("attributes.").split(".")
    return steps if steps[0] in ("system", "user") else ["system", *steps]


def _lowest(count: Any) -> int:
    if isinstance(count, dict):
        return int(count.get("min", 1))
    if isinstance(count, str):
        from rosin.rfc.idset import Idset

        try:
            return Idset(count).first() or 1
        except FormatError:
            return int(count.split("+")[0].split("-")[0].split(":")[0])
    return int(count)


class JobspecV1(Jobspec):
    """A jobspec of version 1 (RFC 25). Factories take this process's environment unless given one."""

    def __init__(
        self, resources: Sequence[Any], tasks: Sequence[Any], attributes: Mapping[str, Any], version: int = 1
    ) -> None:
        super().__init__(resources, tasks, attributes, version)

    def _validate(self) -> None:
        rfc14.validate(self.jobspec)

    @classmethod
    def _made(cls, obj: dict[str, Any]) -> Self:
        new = cls.__new__(cls)
        new.jobspec = obj
        return new

    @classmethod
    def from_command(
        cls,
        command: Sequence[str],
        num_tasks: int | None = 1,
        cores_per_task: int | None = 1,
        gpus_per_task: int | None = None,
        num_nodes: int | None = None,
        exclusive: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of a command: ``num_tasks`` tasks with ``cores_per_task`` cores each.

        Keyword arguments: duration, environment, env_expand, cwd, rlimits, name, input, output, error,
        label_io, unbuffered, queue, bank; see :func:`rosin.rfc.jobspec_build.set_options`. None stands for
        the default. Raises FormatError, a ValueError.
        """
        return cls._made(
            build.from_command(
                _words(command),
                1 if num_tasks is None else num_tasks,
                1 if cores_per_task is None else cores_per_task,
                gpus_per_task,
                num_nodes,
                bool(exclusive),
                **_options(kwargs),
            )
        )

    @classmethod
    def from_nest_command(
        cls,
        command: Sequence[str],
        num_slots: int | None = 1,
        cores_per_slot: int | None = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
        conf: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of a Flux instance whose initial program is ``command``; see :meth:`from_command`."""
        return cls._made(
            build.from_nest_command(
                _words(command),
                1 if num_slots is None else num_slots,
                1 if cores_per_slot is None else cores_per_slot,
                gpus_per_slot,
                num_nodes,
                broker_opts,
                bool(exclusive),
                conf,
                **_options(kwargs),
            )
        )

    @classmethod
    def from_batch_command(
        cls,
        script: str,
        jobname: str,
        args: Iterable[str] | None = None,
        num_slots: int | None = 1,
        cores_per_slot: int | None = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
        conf: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of a Flux instance that runs the text ``script``; see :meth:`from_command`."""
        return cls._made(
            build.from_batch_command(
                script,
                jobname,
                args,
                1 if num_slots is None else num_slots,
                1 if cores_per_slot is None else cores_per_slot,
                gpus_per_slot,
                num_nodes,
                broker_opts,
                bool(exclusive),
                conf,
                **_options(kwargs),
            )
        )

    @classmethod
    def per_resource(
        cls,
        command: Sequence[str],
        ncores: int | None = None,
        nnodes: int | None = None,
        per_resource_type: str | None = None,
        per_resource_count: int | None = None,
        gpus_per_node: int | None = None,
        exclusive: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The jobspec of so many tasks per core or per node; see :meth:`from_command`."""
        return cls._made(
            build.per_resource(
                _words(command),
                ncores,
                nnodes,
                per_resource_type,
                per_resource_count,
                gpus_per_node,
                bool(exclusive),
                **_options(kwargs),
            )
        )


def _words(command: Any) -> list[str]:
    if isinstance(command, str | bytes) or not hasattr(command, "__iter__"):
        raise TypeError("command must be a list of strings")
    words = [os.fspath(word) if isinstance(word, os.PathLike) else word for word in command]
    if not words:
        raise TypeError("command array cannot have length of zero")
    if not all(isinstance(word, str) for word in words):
        raise TypeError("command must be a list of strings")
    return words


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of a factory as set_options() takes them."""
    options = {key: value for key, value in kwargs.items() if value is not None}
    options.setdefault("environment", current_environment())
    for key in ("input", "output", "error", "cwd"):
        if key in options:
            options[key] = _path(key, options[key])
    seconds = getattr(options.get("duration"), "total_seconds", None)
    if seconds is not None:
        options["duration"] = seconds()
    return options


def validate_jobspec(
    jobspec: Jobspec | str | bytes | dict[str, Any], require_version: int | None = None
) -> tuple[bool, Jobspec]:
    """Check a jobspec, by the rules of its version (or of ``require_version``); returns (True, Jobspec).

    Raises ValueError or TypeError.
    """
    if isinstance(jobspec, Jobspec):
        obj: Any = jobspec.jobspec
    elif isinstance(jobspec, dict):
        obj = jobspec
    else:
        obj = _json.loads(jobspec)
    if not isinstance(obj, dict):
        raise ValueError("a jobspec must be a JSON object")
    first = require_version == 1 or obj.get("version") == 1
    return True, (JobspecV1 if first else Jobspec).from_dict(obj)


def validate_counts(resources: Iterable[Mapping[str, Any]]) -> None:
    """Check that all counts are integers, as version 1 demands. Raises ValueError."""
    for resource in resources:
        if type(resource["count"]) is not int:
            kind = type(resource["count"]).__name__
            raise ValueError(
                f"resource count must be an integer for type '{resource['type']}' (got '{kind}')"
            )
        validate_counts(resource.get("with", []))
