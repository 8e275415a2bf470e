# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which way the brokers of an instance find each other: the first of several that exists here.

FLUX_PMI_CLIENT_METHODS names others, ``broker.boot-method`` one, with ``:PATH`` behind it that of a library.
With FLUX_PMI_DEBUG the choice and every request are written to standard error. What one of them needs is
imported only when there are signs of it, as most instances have one broker, which is to start soon.
"""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, Any

from rosin.broker.overlay.bootstrap.program import ProgramBootstrap
from rosin.broker.overlay.bootstrap.space import Unavailable
from rosin.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rosin.broker.overlay.bootstrap.protocol import Bootstrap
    from rosin.broker.overlay.bootstrap.space import Space

    Trace = Callable[[str], None]

METHODS = ("config", "simple", "libpmi2", "libpmi", "pmix", "single")
_LIBRARIES = {"libpmi2": "libpmi2.so", "libpmi": "libpmi.so"}
#: What process managers that come with a library leave in the environment.
_LAUNCHED = ("PMI_", "PMI2_", "SLURM_", "PALS_", "ALPS_")
#: How many tasks Slurm has started with this one.
_TASKS = "SLURM_STEP_NUM_TASKS"
#: What each of the others needs in the environment.
_NEEDED = {"simple": ("PMI_FD", "PMI_RANK", "PMI_SIZE"), "pmix": ("PMIX_NAMESPACE", "PMIX_RANK")}


def find(environ: Mapping[str, str], config: Mapping[str, Any], attrs: Mapping[str, str]) -> Bootstrap:
    """How this broker learns its rank and finds the others. *attrs*: those that it was given.

    Raises OSError, one line, when none of the methods exists, or when one exists and is wrong.
    """
    trace = _trace if "FLUX_PMI_DEBUG" in environ else _silent
    asked = attrs.get("broker.boot-method")
    listed = environ.get("FLUX_PMI_CLIENT_METHODS")
    methods = [asked] if asked else listed.split() if listed else METHODS
    fault = "FLUX_PMI_CLIENT_METHODS names none"
    for method in methods:
        name, _, path = method.partition(":")
        if name not in METHODS:
            known = f"; known: {', '.join(METHODS)}"
            raise OSError(
                errno.EINVAL,
                f"{'broker.boot-method' if asked else 'FLUX_PMI_CLIENT_METHODS'}: {name[:64]!r} is no method"
                f"{did_you_mean(name[:64], METHODS) or known}",
            )
        trace(f"trying '{method}'")
        try:
            found = _by(name, path, environ, config, attrs, trace, sure=bool(asked or listed))
        except Unavailable as exc:
            fault = f"{name}: {exc}"
            trace(fault)
        else:
            trace(f"{name}: rank={found.rank} size={found.size}")
            if name == "single" and not asked and (tasks := environ.get(_TASKS, "1")) != "1":
                found.notices.append(
                    f"{_TASKS}={tasks[:20]}, but there is no PMI: each task is an instance of its own; "
                    "start them by srun --mpi=pmi2"
                )
            return found
    raise OSError(errno.ENOENT, f"no way to find the other brokers: {fault}")


def find_space(environ: Mapping[str, str], asked: str | None, trace: Trace) -> Space:
    """The process manager of a program, by the method that is asked for, as ``libpmi2:PATH``, else by the
    first that exists.

    Raises OSError, one line, when there is none, or when one is wrong.
    """
    listed = environ.get("FLUX_PMI_CLIENT_METHODS")
    methods = [asked] if asked else listed.split() if listed else METHODS
    fault = "none is named"
    for method in methods:
        name, _, path = method.partition(":")
        if name not in METHODS or (asked and name == "config"):
            known = ", ".join(METHODS[1:])
            raise OSError(errno.EINVAL, f"plugin matching '{name[:64]}' not found: expected one of {known}")
        if name == "config":
            continue
        trace(f"trying '{method}'")
        try:
            found = _space(name, path, environ, trace, sure=bool(asked or listed))
        except Unavailable as exc:
            fault = f"{name}: {exc}"
            trace(fault)
        else:
            trace(f"{name}: selected")
            return found
    raise OSError(errno.ENOENT, f"no process manager: {fault}")


def _by(
    name: str,
    path: str,
    environ: Mapping[str, str],
    config: Mapping[str, Any],
    attrs: Mapping[str, str],
    trace: Trace,
    *,
    sure: bool,
) -> Bootstrap:
    if name == "config":
        if "bootstrap" not in config:
            raise Unavailable("there is no table [bootstrap] in the configuration")
        from rosin.broker.overlay.bootstrap.configured import ConfiguredBootstrap

        return ConfiguredBootstrap(config, attrs, environ)
    return ProgramBootstrap(_space(name, path, environ, trace, sure=sure), config, attrs, environ)


def _space(name: str, path: str, environ: Mapping[str, str], trace: Trace, *, sure: bool) -> Space:
    for variable in _NEEDED.get(name, ()):
        if variable not in environ:
            raise Unavailable(f"{variable} is not in the environment")
    if name == "simple":
        from rosin.broker.overlay.bootstrap.simple import SimplePmi

        return SimplePmi(environ, trace)
    if name == "single":
        from rosin.broker.overlay.bootstrap.single import Single

        return Single()
    if name == "pmix":
        from rosin.broker.overlay.bootstrap.pmix import Pmix

        return Pmix(path or None, environ)
    # Without a sign of a process manager there is none to be asked: no library is looked for on a laptop.
    if not sure and not any(variable.startswith(_LAUNCHED) for variable in environ):
        raise Unavailable("no process manager has left its variables in the environment")
    from rosin.broker.overlay.bootstrap.library import Libpmi, Libpmi2, load

    library = load(_LIBRARIES[name], path or None, environ)
    return Libpmi2(library) if name == "libpmi2" else Libpmi(library)


def _trace(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr)


def _silent(text: str) -> None:
    pass
