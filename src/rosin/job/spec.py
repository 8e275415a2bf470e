# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 14, RFC 25: jobspecs as objects with settable properties."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar

from rosin import _base64, _json
from rosin.errors import FormatError
from rosin.handle.checks import InvalidArguments
from rosin.rfc import jobspec as rfc14
from rosin.rfc.jobspec import build

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO, Self

_TOP = ("resources", "tasks", "attributes", "version")
#: Bytes of a file that a jobspec may carry. Brokers read a jobspec whole and in one go.
FILE_MAX = 64 << 20


def path_text(what: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"The {what} must be a string or pathlib object, got {type(value).__name__}")
    return os.fspath(value) if isinstance(value, str) else str(value)


class Jobspec:
    """A jobspec of any version of RFC 14. ``jobspec`` is its plain dict.

    Raises FormatError, a ValueError, when the parts do not make a valid jobspec, and TypeError when a part
    is of the wrong type altogether.
    """

    top_level_keys: ClassVar[frozenset[str]] = frozenset({"resources", "tasks", "attributes", "version"})

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

    def __repr__(self) -> str:
        parts = (
            f"{self.resources!r}, {self.tasks!r}, attributes={self.attributes!r}, version={self.version!r}"
        )
        return f"{type(self).__name__}({parts})"

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
        """Set the attribute at a dotted path (``system.`` may be left out); None removes it.

        Raises TypeError for a key that is no text, or leads through what is no object.
        """
        if not isinstance(key, str):
            raise TypeError(f"the key of an attribute must be a string, not {type(key)}")
        if val is not None:
            try:
                build.set_attribute(self.jobspec, key, val)
            except FormatError as exc:
                raise InvalidArguments(f"failed to set {key} to {val}: {exc}") from None
            return
        *parents, last = _steps(key)
        try:
            node = self.getattr("attributes." + ".".join(parents))
        except KeyError:
            return
        if isinstance(node, dict):
            node.pop(last, None)

    def setattr_shell_option(self, key: str, val: Any) -> None:
        """Set an option of the job shell; None removes it. Raises TypeError as :meth:`setattr` does."""
        if not isinstance(key, str):
            raise TypeError(f"the name of a shell option must be a string, not {type(key)}")
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
        self.setattr_shell_option(f"{name}.path", path_text("path", path))

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
            files = self.jobspec["attributes"]["system"].setdefault("files", {})
            files[path] = local_file(data)


def local_file(source: str | os.PathLike[str]) -> dict[str, Any]:
    """The file (RFC 37) with the content, mode and size of a local one. Raises OSError.

    Text with a NUL is base64: flux-core does not extract it otherwise, and JSON takes six bytes for each.
    """
    with open(source, "rb") as stream:
        content, status = read_limited(stream), os.fstat(stream.fileno())
    try:
        entry = build.file_entry(content.decode(), 0, "utf-8") if b"\0" not in content else None
    except UnicodeDecodeError:
        entry = None
    if entry is None:
        entry = build.file_entry(_base64.encode(content), 0, "base64")
    return {**entry, "mode": status.st_mode, "size": status.st_size}


def read_limited(stream: BinaryIO) -> bytes:
    """All of a stream, if it is no more than a jobspec may carry. Raises OSError EFBIG otherwise."""
    parts, size = [], 0
    while data := stream.read(min(1 << 20, FILE_MAX + 1 - size)):
        parts.append(data)
        size += len(data)
        if size > FILE_MAX:
            limit = f"a job carries at most {FILE_MAX >> 20} MiB in a file"
            text = f"{os.strerror(errno.EFBIG)}: {limit}; an archive brings larger ones to its nodes"
            raise OSError(errno.EFBIG, text)
    return b"".join(parts)


def _steps(key: str) -> list[str]:
    steps = key.removeprefix("attributes.").split(".")
    return steps if steps[0] in ("system", "user") else ["system", *steps]


def _lowest(count: Any) -> int:
    from rosin.rfc.count import parse

    return count if type(count) is int else parse(count).min
