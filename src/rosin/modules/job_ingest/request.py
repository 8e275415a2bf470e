# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 12, 14, 30, 39: one submission, from the request to a jobspec that may be stored.

All checks are pure; errno and text are those that flux-core's clients know.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import (
    FLUX_JOB_DEBUG,
    FLUX_JOB_NOVALIDATE,
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_URGENCY_MAX,
    FLUX_JOB_URGENCY_MIN,
    FLUX_JOB_WAITABLE,
)
from rosin.errors import FormatError
from rosin.rfc import jobspec as rfc14
from rosin.rfc import sign
from rosin.rfc.payload import field
from rosin.rfc.role import allowed
from rosin.rfc.urgency import guest_may_set, in_range

if TYPE_CHECKING:
    from rosin.rfc.message import Message

#: Linux's limits for one argument and, with the usual stack limit, for all of them.
_ARGUMENT_MAX = 128 * 1024
_COMMAND_MAX = 2 * 1024 * 1024
#: More processes than that can exist at once in no Linux system.
_TASKS_MAX = 4 * 1024 * 1024
#: Bytes of a signed jobspec: what is not read in one go, by this broker and all who look at the job.
_SIGNED_MAX = 256 << 20
_FLAGS = FLUX_JOB_DEBUG | FLUX_JOB_WAITABLE | FLUX_JOB_NOVALIDATE


class IngestRequest:
    """A request that has passed the checks of :meth:`parse`. ``jobspec`` is the object that was signed."""

    __slots__ = ("J", "flags", "jobspec", "msg", "rolemask", "urgency", "userid")

    def __init__(self, msg: Message) -> None:
        """Check the request *msg*. Raises OSError with flux-core's errno and text."""
        self.msg = msg
        self.userid = msg.userid
        self.rolemask = msg.rolemask
        try:
            self.J = field(msg.args, "J", str)
            self.urgency = field(msg.args, "urgency", int)
            self.flags = field(msg.args, "flags", int)
        except FormatError as error:
            raise OSError(errno.EPROTO, f"error decoding job request: {error}") from None
        self._check_rights()
        self.jobspec = self._unwrap()

    @property
    def owner(self) -> bool:
        """The sender is the instance owner."""
        return allowed(self.rolemask)

    @property
    def validate(self) -> bool:
        """The jobspec has to be validated."""
        return not self.flags & FLUX_JOB_NOVALIDATE

    def _check_rights(self) -> None:
        if self.flags & ~_FLAGS:
            raise OSError(errno.EPROTO, "invalid job flags")
        if self.flags & FLUX_JOB_NOVALIDATE and not self.owner:
            text = "only the instance owner can submit with FLUX_JOB_NOVALIDATE"
            raise OSError(errno.EPERM, text)
        if not in_range(self.urgency):
            text = f"urgency range is [{FLUX_JOB_URGENCY_MIN}:{FLUX_JOB_URGENCY_MAX}]"
            raise OSError(errno.EINVAL, text)
        if self.owner:
            return
        if not guest_may_set(self.urgency):
            text = f"only the instance owner can submit with urgency >{FLUX_JOB_URGENCY_DEFAULT}"
            raise OSError(errno.EINVAL, text)
        if self.flags & FLUX_JOB_WAITABLE:
            text = "only the instance owner can submit with FLUX_JOB_WAITABLE"
            raise OSError(errno.EINVAL, text)

    def _unwrap(self) -> Any:
        """The signed jobspec, whose signer must be the sender."""
        if len(self.J) > _SIGNED_MAX:
            text = f"job request of {len(self.J)} bytes is larger than the {_SIGNED_MAX} that are taken"
            raise OSError(errno.EFBIG, text)
        try:
            payload, signer, mechanism = sign.unwrap(self.J)
        except FormatError as error:
            raise OSError(errno.EINVAL, f"could not unwrap jobspec: {error}") from None
        if signer != self.userid:
            raise OSError(errno.EPERM, f"signer={signer} != requestor={self.userid}")
        if mechanism != "none":
            raise OSError(
                errno.EINVAL, f"could not unwrap jobspec: sign-type={mechanism} is not supported, use none"
            )
        if not self.owner:
            raise OSError(errno.EPERM, "only instance owner can use sign-type=none")
        if _json.too_deep(payload):  # what is stored must be read back by requests and by all who list jobs
            raise OSError(errno.EINVAL, f"jobspec: nested deeper than {_json.MAX_DEPTH} levels")
        try:
            return _json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise OSError(errno.EINVAL, f"jobspec: invalid JSON: {error}") from None


def validate(jobspec: Any, strict: bool = False) -> None:
    """Check a jobspec by RFC 14 and RFC 25, *strict*: whether it has to be of version 1 by the letter.

    Raises OSError EINVAL with the place and the cause.
    """
    try:
        rfc14.validate(jobspec)
    except FormatError as error:
        _check_others(jobspec, error, strict)
    for index, task in enumerate(jobspec["tasks"]):
        _check_length(f"tasks[{index}].command", task["command"])
        for kind, count in task["count"].items():
            if isinstance(count, int) and count > _TASKS_MAX:
                text = f"{count} tasks are more than the {_TASKS_MAX} that a node can run"
                raise OSError(errno.EINVAL, f"jobspec: tasks[{index}].count.{kind}: {text}")
    system = jobspec["attributes"]["system"]
    if "\0" in system.get("cwd", ""):
        raise OSError(errno.EINVAL, "jobspec: attributes.system.cwd: a path cannot hold a NUL")
    _check_environment(system.get("environment", {}))


def _check_others(jobspec: Any, error: FormatError, strict: bool) -> None:
    """Check a jobspec that is not what RFC 25 asks for, because of *error*."""
    version = jobspec.get("version") if isinstance(jobspec, dict) else None
    if strict or type(version) is not int or version not in (1, 2):
        raise OSError(errno.EINVAL, str(error)) from None
    from rosin.modules.job_ingest.version2 import check

    try:
        check(jobspec)
    except FormatError as other:
        raise OSError(errno.EINVAL, str(error if version == 1 else other)) from None


def _check_environment(environment: dict[str, str | None]) -> None:
    """Refuse variables that no program can be given."""
    place = "jobspec: attributes.system.environment"
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name:
            raise OSError(errno.EINVAL, f"{place}: {name!r} cannot be the name of a variable")
        if value is not None and "\0" in value:
            raise OSError(errno.EINVAL, f"{place}.{name!r}: a value cannot hold a NUL")


def _check_length(place: str, command: list[str]) -> None:
    """Refuse a command that no system could start, now rather than when its job has waited for its turn."""
    lengths = [len(word.encode(errors="surrogatepass")) for word in command]
    hint = "pass the data in a file or on standard input"
    if max(lengths) >= _ARGUMENT_MAX:
        text = (
            f"an argument of {max(lengths)} bytes is longer than the {_ARGUMENT_MAX} a program can be given"
        )
        raise OSError(errno.EINVAL, f"jobspec: {place}: {text}: {hint}")
    if sum(lengths) > _COMMAND_MAX:
        text = f"{sum(lengths)} bytes are more than the {_COMMAND_MAX} a program can be started with"
        raise OSError(errno.EINVAL, f"jobspec: {place}: {text}: {hint}")


def without_environment(jobspec: dict[str, Any]) -> dict[str, Any]:
    """The copy of *jobspec* that is stored: the environment stays in J alone (RFC 16)."""
    attributes = jobspec.get("attributes")
    system = attributes.get("system") if isinstance(attributes, dict) else None
    if not isinstance(attributes, dict) or not isinstance(system, dict) or "environment" not in system:
        return jobspec
    kept = {key: value for key, value in system.items() if key != "environment"}
    return {**jobspec, "attributes": {**attributes, "system": kept}}
