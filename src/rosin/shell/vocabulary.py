# SPDX-License-Identifier: LGPL-3.0-or-later
"""All shell options and the kinds of their values: a job with a misspelt option, or with a value that means
nothing, does not run, as it would not do what was asked.

flux-core takes any name, as a plugin may read it; here a user's plugin says which it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.shell.errors import ShellError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Value(NamedTuple):
    """What an option takes. ``fits`` None: who reads the option checks it, and names it the same way."""

    accepted: str
    fits: Callable[[Any], bool] | None = None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(*words: str) -> Value:
    text = f"{', '.join(words[:-1])} or {words[-1]}"
    return Value(text, lambda value: isinstance(value, str) and value.lower() in words)


_FLAG = Value("0 or 1", lambda value: isinstance(value, int))
_TEXT = Value("a string", lambda value: isinstance(value, str))
_COUNT = Value("a whole number, as in 1000", lambda value: type(value) is int and value >= 0)
#: Seconds for which flux-core's shell gathers data; ``--unbuffered`` sets them. This one sends what is there.
_SECONDS = Value("seconds, as in 0.05", _is_number)
_OBJECT = Value("an object", lambda value: isinstance(value, dict))
_FLAG_OR_OBJECT = Value("0, 1 or an object", lambda value: isinstance(value, int | dict))
_BOOLEAN, _SIZE = Value("a boolean"), Value("a size")
_AFFINITY = Value("off, on, per-task or map:LIST")
_DURATION = Value("a duration, as in 30s")
_RC_FILE = Value("the path of a file, as in mine.py")


def _stream(name: str) -> dict[str, Value]:
    return {
        f"output.{name}.buffer.type": _one_of("line", "none"),
        f"output.{name}.label": _BOOLEAN,
        f"output.{name}.path": _TEXT,
        f"output.{name}.type": Value("kvs or file"),
    }


#: By the plugin that reads them: options with a value of their own; a dot leads into an object.
PLUGIN_OPTIONS: dict[str, dict[str, Value]] = {
    "shell": {
        "nosetpgrp": _BOOLEAN,
        "per-resource.count": Value("a number > 0"),
        "per-resource.type": Value("node or core"),
        "stop-tasks-in-exec": _BOOLEAN,
        "taskmap": Value("a string or an object", lambda value: isinstance(value, str | dict)),
        "taskmap.scheme": _TEXT,
        "taskmap.value": _TEXT,
        "verbose": Value("an integer"),
    },
    "umask": {"umask": Value("octal digits up to 777, as in 022")},
    "input": {
        "input.batch-timeout": _SECONDS,
        "input.limit": _SIZE,
        "input.stdin.path": _TEXT,
        "input.stdin.type": Value("service or file"),
    },
    "output": {
        "output.batch-timeout": _SECONDS,
        "output.client.hwm": _COUNT,
        "output.client.lwm": _COUNT,
        "output.limit": _SIZE,
        "output.mode": _one_of("truncate", "append"),
        **_stream("stdout"),
        **_stream("stderr"),
    },
    "doom": {"exit-on-error": _BOOLEAN, "exit-timeout": _DURATION},
    "gpu-affinity": {"gpu-affinity": _AFFINITY},
    "cpu-affinity": {"cpu-affinity": _AFFINITY},
    "signal": {
        "signal": Value("an object"),
        "signal.signum": Value("a signal's number"),
        "signal.timeleft": _DURATION,
    },
    "pmi": {
        "pmi": Value("simple or off"),
        "pmi-simple.exchange.k": _COUNT,
        "pmi-simple.kvs": Value("exchange", lambda value: value == "exchange"),
        "pmi-simple.nomap": _FLAG,
    },
    "pty": {
        "pty": _FLAG_OR_OBJECT,
        "pty.capture": Value("0 or 1"),
        "pty.interactive": Value("0 or 1"),
        "pty.ranks": Value("an idset"),
    },
    "coprocess": {"coprocess-kill-timeout": _DURATION},
    "stage-in": {
        "stage-in": _FLAG_OR_OBJECT,
        "stage-in.destination": Value("a directory, which local: or global: may precede"),
        "stage-in.names": Value("names of archives, as in main,data"),
        "stage-in.pattern": Value("a shell pattern, as in '*.dat'"),
        "stage-in.tags": Value("names of archives, as in main,data"),
    },
    "hwloc": {"hwloc.restrict": _FLAG, "hwloc.xmlfile": _FLAG},
    "oom": {"oom.adjust": Value("a number from -1000 to 1000")},
    "sysmon": {"sysmon": _FLAG_OR_OBJECT, "sysmon.period": _DURATION},
    "rexec": {"rexec-shutdown-timeout": _DURATION, "rexec.sign-required": _FLAG},
    "unsupported": {"mpi": _TEXT},
}
#: Likewise, options whose objects have names that others define; most of them this shell does not have.
PLUGIN_OPEN: dict[str, dict[str, Value]] = {
    "shell": {"batch-args": Value("an array of strings", lambda value: isinstance(value, list))},
    "rlimit": {"rlimit": _OBJECT},
    "coprocess": {"coprocess": Value('an object of programs, as in {"top":{"command":["top","-b"]}}')},
    "env-expand": {
        "env-expand": Value(
            "an object of strings",
            lambda value: isinstance(value, dict) and all(isinstance(text, str) for text in value.values()),
        ),
    },
    "unsupported": {
        "cray-pals": _FLAG_OR_OBJECT,
        "initrc": _RC_FILE,
        "pmix": _FLAG_OR_OBJECT,
        "userrc": _RC_FILE,
    },
}
OPTIONS = {name: value for options in PLUGIN_OPTIONS.values() for name, value in options.items()}
OPEN = {name: value for options in PLUGIN_OPEN.values() for name, value in options.items()}
_OBJECTS = frozenset(
    name[:end] for name in OPTIONS for end in range(len(name)) if name[end] == "." and name[:end]
)


def owners() -> dict[str, str]:
    """The plugin that reads an option, by the first word of the option's name."""
    return {
        name.partition(".")[0]: plugin
        for table in (PLUGIN_OPTIONS, PLUGIN_OPEN)
        for plugin, options in table.items()
        for name in options
    }


def check(options: dict[str, Any], own: Collection[str] = ()) -> None:
    """Raises ShellError for the first option that nobody would read, or whose value means nothing.

    ``own`` are the names that plugins of the user read."""
    level = [(name, value) for name, value in options.items() if name not in own]
    while level:
        name, value = level.pop()
        known = OPEN.get(name) or OPTIONS.get(name)
        if known is not None and value is not None and known.fits is not None and not known.fits(value):
            raise ShellError(f"shell option {name}={value}: expected {known.accepted}")
        if name in OPEN:
            continue
        if name in _OBJECTS and isinstance(value, dict):  # known objects are three deep at most
            level += [(f"{name}.{key}", below) for key, below in value.items()]
        elif name not in OPTIONS and name not in _OBJECTS:
            raise ShellError(_unknown(name))
        elif name not in OPTIONS and value is not None:
            raise ShellError(f"shell option {name}={value}: expected one of {_below(name)}")


def _below(name: str) -> str:
    return ", ".join(sorted(known for known in OPTIONS if known.startswith(f"{name}.")))


#: What somebody may look for here, and where it is.
_ELSEWHERE = {
    "kill-timeout": "the instance has it in its configuration, [exec] kill-timeout",
    "tmpdir": "the job's directory is FLUX_JOB_TMPDIR; set TMPDIR by --env=TMPDIR=/some/where",
}


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    if name in _ELSEWHERE:
        return f"unknown shell option {name}: {_ELSEWHERE[name]}"
    near = get_close_matches(name[:64], sorted({*OPTIONS, *OPEN}), 1)
    hint = f"did you mean {near[0]}?" if near else "see the reference of the job shell for those there are"
    return f"unknown shell option {name}: {hint}"
