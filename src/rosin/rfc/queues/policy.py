# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 33: one ``policy`` table: defaults of jobspecs, limits, access, and what is the scheduler's own.

Stricter than the text, as flux-core is: a key that is not known is refused. Errors name the place, such as
``queues.batch.policy.limits.duration``.
"""

from __future__ import annotations

from rosin.errors import FormatError
from rosin.rfc import fsd
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

#: What a job's size is counted in.
SIZES = ("nnodes", "ncores", "ngpus")
#: A size limit that is none.
UNLIMITED = -1

_MAX_SIZE = 2**31 - 1


class QueuePolicy:
    """What a policy table says; what it does not say is left to another (:meth:`over`).

    Attributes:
        defaults: jobspec attributes (``duration`` in seconds, 0.0 = unlimited; ``queue``) by name.
        limits: ``("max"|"min", "nnodes"|"ncores"|"ngpus")`` -> count or ``UNLIMITED``;
            ``("duration", "")`` -> seconds, 0.0 = unlimited.
        users, groups: names that have access, None when not told.
        scheduler: the scheduler's own table, or None.
    """

    __slots__ = ("defaults", "groups", "limits", "scheduler", "users")

    def __init__(self) -> None:
        self.defaults: dict[str, Any] = {}
        self.limits: dict[tuple[str, str], float] = {}
        self.users: list[str] | None = None
        self.groups: list[str] | None = None
        self.scheduler: Any = None

    @staticmethod
    def decode(table: Any, place: str = "policy") -> QueuePolicy:
        """Read the table at ``place`` of a configuration. Raises FormatError."""
        new = QueuePolicy()
        parts = sub_table({"": table}, "", place, ("jobspec", "limits", "access", "scheduler"))
        jobspec = sub_table(parts, "jobspec", f"{place}.jobspec", ("defaults",))
        defaults = sub_table(jobspec, "defaults", f"{place}.jobspec.defaults", ("system",))
        system = f"{place}.jobspec.defaults.system"
        for key, value in sub_table(defaults, "system", system, ("duration", "queue")).items():
            new.defaults[key] = (
                _duration(value, f"{system}.{key}") if key == "duration" else string(value, f"{system}.{key}")
            )
        new._read_limits(parts, f"{place}.limits")
        access = sub_table(parts, "access", f"{place}.access", ("allow-user", "allow-group"))
        if "allow-user" in access:
            new.users = strings(access["allow-user"], f"{place}.access.allow-user")
        if "allow-group" in access:
            new.groups = strings(access["allow-group"], f"{place}.access.allow-group")
        new.scheduler = parts.get("scheduler")
        return new

    def _read_limits(self, parts: dict[str, Any], place: str) -> None:
        table = sub_table(parts, "limits", place, ("job-size", "duration"))
        sizes = sub_table(table, "job-size", f"{place}.job-size", ("max", "min"))
        for kind in ("max", "min"):
            here = f"{place}.job-size.{kind}"
            for name, count in sub_table(sizes, kind, here, SIZES).items():
                if type(count) is not int or not UNLIMITED <= count <= _MAX_SIZE:
                    text = f"expected an integer, -1 for unlimited or 0 to {_MAX_SIZE}, got {describe(count)}"
                    raise FormatError(f"{here}.{name}: {text}")
                self.limits[kind, name] = count
        if "duration" in table:
            self.limits["duration", ""] = _duration(table["duration"], f"{place}.duration")

    def over(self, base: QueuePolicy) -> QueuePolicy:
        """Return this policy with what it does not say from ``base``."""
        new = QueuePolicy()
        new.defaults = {**base.defaults, **self.defaults}
        new.limits = {**base.limits, **self.limits}
        new.users = base.users if self.users is None else self.users
        new.groups = base.groups if self.groups is None else self.groups
        new.scheduler = base.scheduler if self.scheduler is None else self.scheduler
        return new

    def admits(self, user: str, groups: Collection[str]) -> bool:
        """Tell whether a user, a member of ``groups``, may submit jobs.

        All may when neither users nor groups are told.
        """
        if self.users is None and self.groups is None:
            return True
        return user in (self.users or ()) or any(group in groups for group in self.groups or ())


def sub_table(table: dict[str, Any], key: str, place: str, known: Iterable[str]) -> dict[str, Any]:
    """Return a table within a table, ``{}`` if it is not there; FormatError unless all its keys are known."""
    if key not in table:
        return {}
    inner = table[key]
    if type(inner) is not dict:
        raise FormatError(f"{place}: must be a table, got {describe(inner)}")
    for name in inner:
        if name not in known:
            shown = name if len(name) <= 40 and name.isprintable() else describe(name)
            raise FormatError(f"{place}.{shown}: unknown key (known: {', '.join(known)})")
    return inner


def string(value: Any, place: str) -> str:
    """Return a string. Raises FormatError."""
    if type(value) is not str:
        raise FormatError(f"{place}: must be a string, got {describe(value)}")
    return value


def strings(value: Any, place: str) -> list[str]:
    """Return an array of strings. Raises FormatError."""
    if type(value) is not list:
        raise FormatError(f"{place}: must be an array of strings, got {describe(value)}")
    return [string(item, f"{place}[{at}]") for at, item in enumerate(value)]


def _duration(value: Any, place: str) -> float:
    """Seconds of an RFC 23 duration, 0.0 for infinity."""
    text = string(value, place)
    try:
        seconds = fsd.parse(text)
    except FormatError as error:
        raise FormatError(f"{place}: {error}") from None
    return 0.0 if seconds == float("inf") else seconds
