# SPDX-License-Identifier: LGPL-3.0-or-later
"""``[ingest.validator]``: which checks a job passes before it is taken (flux-config-ingest).

``jobspec`` (the default) checks the form of a jobspec, ``feasibility`` asks the scheduler whether the
instance could ever run it, ``require-instance`` takes large jobs only if they are instances themselves.
Others are plugins in files, which run in processes of their own.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.broker.arguments import Argument
from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError
from rosin.job.plugin_file import is_file, plugin_name
from rosin.modules.job_ingest.crew import CrewSettings
from rosin.modules.job_ingest.require_instance import OPTIONS, RequireInstance, argument, is_argument
from rosin.rfc import constraint
from rosin.rfc.hostlist import Hostlist

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from rosin.broker.settings import Config

JOBSPEC, FEASIBILITY, INSTANCE = "jobspec", "feasibility", "require-instance"
KNOWN = (JOBSPEC, FEASIBILITY, INSTANCE)
#: The argument of flux-core's jobspec check that is taken: jobs have to be of version 1 by the letter.
_REQUIRED = "--require-version=1"
#: The default: any that can be run here.
_ANY = "--require-version=any"
#: Its name among the numbers that arguments set.
_STRICT = "require-version"


def checks(config: dict[str, Any], given: Config = NO_ARGUMENTS) -> frozenset[str]:
    """The names of the checks that a configuration asks for. Raises FormatError for one that is unknown.

    Values of the module's arguments, ``given``, win over it.
    """
    wanted = _configured(config)
    return frozenset() if "disable-validator" in given else given.get("validator-plugins", wanted)


def _configured(config: dict[str, Any]) -> frozenset[str]:
    table = _table(config)
    names = table.get("plugins", list, [JOBSPEC])
    for name in names:
        if name not in KNOWN and not (isinstance(name, str) and is_file(name)):
            known = f"{', '.join(KNOWN)}, and Python files, such as ./site.py"
            raise FormatError(f"ingest.validator.plugins: {name!r} is not a check (known: {known})")
    _configured_numbers(config)
    return frozenset() if table.get("disable", bool, False) else frozenset(names)


def crew(config: dict[str, Any], wanted: frozenset[str]) -> CrewSettings | None:
    """The processes for the checks of files, None if none is *wanted*. Raises FormatError."""
    files = tuple(sorted(filter(is_file, wanted)))
    table = _table(config)
    args = tuple(word for word in table.get("args", list, []) if not _own(word))
    return CrewSettings.parse(table, files, args) if files else None


def instances(
    config: dict[str, Any], wanted: frozenset[str], given: Config = NO_ARGUMENTS
) -> RequireInstance | None:
    """What the check ``require-instance`` asks of jobs, None if it is not ``wanted``. Raises FormatError."""
    numbers = _configured_numbers(config) | given.get("validator-args", {})
    numbers.pop(_STRICT, None)
    rule = RequireInstance.parse(config, numbers)
    return rule if INSTANCE in wanted else None


def strict(config: dict[str, Any], given: Config = NO_ARGUMENTS) -> bool:
    """Whether jobs have to be of version 1 by the letter."""
    return _REQUIRED in _table(config).get("args", list, []) or _STRICT in given.get("validator-args", {})


def _table(config: dict[str, Any]) -> Table:
    place = "ingest.validator"
    names = Table(config, place).get("plugins", list, [])
    files = [plugin_name(name) for name in names if isinstance(name, str) and is_file(name)]
    return Table(config, place, ("disable", "plugins", "args", "timeout", INSTANCE, *files))


def _configured_numbers(config: dict[str, Any]) -> dict[str, int]:
    """Those of ``args``, of which the rest is for plugins in files, if there are any. Raises FormatError."""
    table = _table(config)
    words = table.get("args", list, [])
    if any(isinstance(name, str) and is_file(name) for name in table.get("plugins", list, [])):
        words = [word for word in words if not isinstance(word, str) or _own(word)]
    try:
        return _numbers(words)
    except FormatError as error:
        raise FormatError(f"ingest.validator.args: {error}") from None


def _own(word: str) -> bool:
    """Whether an argument is for what comes with Rosin."""
    return is_argument(word) or word.startswith(f"--{_STRICT}=")


def _numbers(words: list[Any]) -> dict[str, int]:
    """The numbers that arguments of the validator set. Raises FormatError for any that there is not."""
    numbers = {}
    for word in words:
        if isinstance(word, str) and is_argument(word):
            key, number = argument(word)
            numbers[key] = number
        elif word not in (_REQUIRED, _ANY):
            raise FormatError(f"{word!r}: expected {', '.join((_REQUIRED, _ANY, *OPTIONS))}")
    return numbers


def _argument_list(text: str) -> dict[str, int]:
    words = text.split(",")
    return _numbers(words) | ({_STRICT: 1} if _REQUIRED in words else {})


def _plugins(text: str) -> frozenset[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in KNOWN and not is_file(name)]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is not a check; expected some of {', '.join(KNOWN)}, separated by commas"
        )
    return frozenset(names)


#: The module's arguments, which are about the same as the table.
ARGUMENTS = (
    Argument("validator-plugins", "NAME[,NAME...]", f"checks: {', '.join(KNOWN)}", _plugins),
    Argument(
        "validator-args",
        "ARG[,ARG...]",
        f"`{_REQUIRED}`, no jobs that ask for more than RFC 25 has; `{'`, `'.join(OPTIONS)}`",
        _argument_list,
    ),
    Argument("disable-validator", "", "no checks"),
)


def check_constraints(jobspec: dict[str, Any], hosts: Set[str]) -> None:
    """Refuse constraints (RFC 31) of the wrong form, and hosts that the instance does not have.

    ``hosts`` are those of the instance, none if they are not known. Raises OSError EINVAL.
    """
    asked = jobspec["attributes"]["system"].get("constraints")
    if asked is None:
        return
    try:
        constraint.validate(asked)
    except FormatError as error:
        raise OSError(errno.EINVAL, str(error)) from None
    for host in _hosts(asked) if hosts else ():
        if host not in hosts:
            text = f"host constraint contains invalid hosts: host '{host}' not found"
            raise OSError(errno.EINVAL, text)


def _hosts(asked: dict[str, Any]) -> Iterator[str]:
    """The hosts that a constraint names, in order."""
    for operator, arguments in asked.items():
        if operator == "hostlist":
            for hostlist in arguments:
                yield from Hostlist(hostlist)
        elif operator in ("and", "or", "not"):
            for argument in arguments:
                yield from _hosts(argument)
