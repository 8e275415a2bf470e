# SPDX-License-Identifier: LGPL-3.0-or-later
"""The environment and the resource limits that a job gets from its submitter (``--env``, ``--rlimit``)."""

from __future__ import annotations

import os

from rosin.handle.builtin import search_path
from rosin.process import credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: Limits that say something about the submitting process rather than about the job.
_NOT_PASSED_ON = frozenset({"memlock", "ofile", "msgqueue", "nice", "rtprio", "rttime", "sigpending"})
_NO_LIMIT = ("unlimited", "infinity", "inf")


def matcher(pattern: str) -> Callable[[str], object]:
    """A test for names: by a shell pattern, or by a regular expression behind ``/``. Raises ValueError."""
    import re
    from fnmatch import translate

    source = pattern[1:].rstrip("/") if pattern.startswith("/") else translate(pattern)
    try:
        return re.compile(source).match
    except re.error as exc:
        raise ValueError(f"invalid pattern '{pattern}': {exc}") from None


class Environment:
    """An environment that rules change one after the other.

    ``variables``: what the job gets; ``templates``: mustache templates that the job shell fills in.
    """

    def __init__(self, variables: dict[str, str]) -> None:
        self._current = dict(variables)
        self.variables = variables
        self.templates: dict[str, str] = {}

    def apply(self, rules: Iterable[str]) -> None:
        """``-PATTERN`` removes, ``^FILE`` reads rules, ``NAME=VALUE`` sets, ``PATTERN`` copies from the
        submitter's environment. Raises ValueError.
        """
        for rule in rules:
            if rule.startswith("-"):
                matches = matcher(rule[1:])
                for name in [name for name in self.variables if matches(name)]:
                    del self.variables[name]
            elif rule.startswith("^"):
                self.apply(_read_rules(rule[1:]))
            elif "=" in rule:
                self._set(rule)
            else:
                matches = matcher(rule)
                for name, value in self._current.items():
                    if matches(name):
                        self.variables.setdefault(name, value)

    def _set(self, rule: str) -> None:
        name, _, value = rule.partition("=")
        if not name:
            raise ValueError(f"--env={rule}: a name is missing: it takes NAME=VALUE, as in --env=DEBUG=1")
        if "{{" in value:
            self.templates[name] = value
        else:
            self.variables[name] = self._expand(value, rule) if "$" in value else value

    def _expand(self, value: str, rule: str) -> str:
        """Replace ``$NAME`` and ``${NAME}`` by variables, those set by earlier rules first."""
        import re

        def replace(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if match[0] == "$$":
                return "$"
            if not name:
                raise ValueError(
                    f"--env: Unable to substitute {rule}: it takes $NAME or ${{NAME}}, and $$ for $"
                )
            found = self.variables.get(name, self._current.get(name))
            if found is None:
                raise ValueError(f"--env: Variable '{name}' not found in {rule} ($$ stands for $)")
            return found

        return re.sub(r"\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}|)", replace, value, flags=re.ASCII)


def _read_rules(path: str) -> list[str]:
    try:
        with open(os.path.expanduser(path)) as stream:
            lines = [line.strip() for line in stream]
    except OSError as exc:
        raise ValueError(f"--env: {path}: {exc.strerror}: --env-file takes a file of rules") from None
    return [line for line in lines if line]


def _encodable(text: str) -> bool:
    """Whether JSON can hold it: bytes that are not UTF-8 cannot be passed on."""
    return text.isprintable() or not any("\ud800" <= char <= "\udfff" for char in text)


def job_environment(rules: Sequence[str] | None, find_commands: bool = False) -> Environment:
    """The environment of this process, as the rules change it. Raises ValueError.

    ``find_commands``: by its ``PATH`` the job finds the commands of this installation.
    The credentials of ``rosin serve``, and for it, are left out, as a jobspec is no place for them;
    ``--env=FLUX_TOKEN`` passes one on.
    Variables that are not UTF-8 are left out, with a warning unless a rule removes or replaces them.
    """
    lost = sorted(name for name, value in os.environ.items() if not _encodable(name + value))
    variables = {name: value for name, value in os.environ.items() if _encodable(name + value)}
    if find_commands and "PATH" in variables:
        variables["PATH"] = search_path(variables["PATH"])
    result = Environment(variables)
    for name in credentials.PRIVATE:
        result.variables.pop(name, None)
    result.apply(rules or ())
    if lost:
        _warn_of_lost(lost, rules or (), result)
    return result


def _warn_of_lost(lost: Sequence[str], rules: Sequence[str], kept: Environment) -> None:
    import sys

    removed = [matcher(rule[1:]) for rule in rules if rule.startswith("-")]
    for name in lost:
        if name not in kept.variables and not any(matches(name) for matches in removed):
            shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
            sys.stderr.write(
                f"WARNING: environment variable {shown} is not UTF-8 and is not passed on to the job "
                f"(--env-remove={shown} if that is meant)\n"
            )


def _limits() -> dict[str, int]:
    """Name (lower case) to soft limit of every limit that there is; -1 means none."""
    import resource

    return {
        name[7:].lower(): resource.getrlimit(getattr(resource, name))[0]
        for name in dir(resource)
        if name.startswith("RLIMIT_")
    }


def job_umask() -> str:
    """The file mode creation mask to pass on, in octal digits."""
    mask = os.umask(0o077)  # there is no other way to read it
    os.umask(mask)
    return f"{mask:04o}"


def _rlimit_form() -> str:
    return f"NAME=VALUE or a pattern, as in core=0 or no*; names are {', '.join(_limits())}"


def job_rlimits(rules: Iterable[str] | None) -> dict[str, int]:
    """The soft limits to pass on: ``-PATTERN`` removes, ``PATTERN`` adds current ones, ``NAME=VALUE`` sets.

    Raises ValueError.
    """
    current = _limits()
    result = {name: value for name, value in current.items() if name not in _NOT_PASSED_ON}
    for rule in [word for words in rules or () for word in words.split(",")]:
        if rule.startswith("-"):
            matches = matcher(rule[1:].lower())
            result = {name: value for name, value in result.items() if not matches(name)}
            continue
        name, equals, text = rule.partition("=")
        name = name.lower()
        if not equals:
            matches = matcher(name)
            found = {key: value for key, value in current.items() if matches(key)}
            if not found:
                raise ValueError(
                    f'--rlimit={rule}: No corresponding rlimit matching "{name}": it takes {_rlimit_form()}'
                )
            result.update(found)
        elif name not in current:
            raise ValueError(f'--rlimit={rule}: Invalid rlimit "{name}": it takes {_rlimit_form()}')
        else:
            result[name] = _limit(text, rule)
    return result


def _limit(text: str, rule: str) -> int:
    if text in _NO_LIMIT:
        return -1
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"--rlimit: Invalid value in {rule}: it takes a number or unlimited, as in core=0"
        ) from None
