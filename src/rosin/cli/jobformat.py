# SPDX-License-Identifier: LGPL-3.0-or-later
"""Output formats for jobs (RFC 43): their fields, headings, and the formats with names."""

from __future__ import annotations

from _collections_abc import Mapping  # without collections

from rosin.cli.format import OutputFormat, parse
from rosin.job.fields import HEADINGS, heading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_START = "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} "
_SIZE = "{ntasks:>6} {nnodes:>6h} "
_END = "{contextual_time!F:>8h} {contextual_info}"
_LONG = "{status:>9.9} " + _SIZE + "{t_submit!d:%b%d %R::>12} {t_remaining!F:>12h} "
_DEPS = "{id.f58:>12} ?:{queue:<8.8} {name:<10.10+} {urgency:<3} {priority:<12} {state:<8.8} {dependencies}"

#: Formats of ``jobs``.
JOBS = {
    "default": ("The usual columns", f"{_START}{{status_abbrev:>2.2}} {_SIZE}{_END}"),
    "cute": ("The usual columns with pictures", f"{_START}{{status_emoji:>5.5}} {_SIZE}{_END}"),
    "long": ("Status in words, time of submission, time left", f"{_START}{_LONG}{_END}"),
    "deps": ("Urgency, priority and dependencies", _DEPS),
    "endreason": (
        "When and why each job ended",
        f"{_START}{{status_abbrev:>2.2}} {{t_inactive!d:%b%d %R::>12h}} {{inactive_reason}}",
    ),
}
#: Formats of ``pgrep``.
PGREP = {
    "default": ("Job ids alone", "{id.f58}"),
    "full": JOBS["default"],
    "long": JOBS["long"],
    "deps": JOBS["deps"],
}


class _Headings(Mapping[str, str]):
    """Headings of all fields, also of those in annotations that nobody can list."""

    def __getitem__(self, field: str) -> str:
        return heading(field)

    def __contains__(self, field: object) -> bool:
        try:
            heading(str(field))
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(HEADINGS)

    def __len__(self) -> int:
        return len(HEADINGS)


class JobInfoFormat(OutputFormat):
    """A format of :class:`rosin.job.info.JobInfo` objects. Raises ValueError."""

    headings = _Headings()
    foreign = True


def plain_ids(fmt: str) -> str:
    """The format with job ids in ASCII, for terminals that show nothing else."""
    words = []
    for text, field, spec, conversion in parse(fmt):
        words.append(text.replace("{", "{{").replace("}", "}}"))
        if field:
            name = "id.f58plain" if field in ("id", "id.f58") else field
            words.append(f"{{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}")
    return "".join(words)


def job_format(fmt: str) -> JobInfoFormat:
    """Parse a user's format. Raises ValueError."""
    from rosin.cli.base import ascii_ids

    try:
        return JobInfoFormat(plain_ids(fmt) if ascii_ids() else fmt)
    except ValueError as exc:
        raise ValueError(f"Error in user format: {exc}") from None
