# SPDX-License-Identifier: LGPL-3.0-or-later
"""What values attributes may have. Each function raises ValueError that says what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

#: :data:`rosin.broker.overlay.bootstrap.METHODS`, which is not imported for a command that checks one.
BOOT_METHODS = ("config", "simple", "libpmi2", "libpmi", "pmix", "single")


def number(low: int, high: int | None = None) -> Callable[[str], object]:
    """A number within limits."""
    wanted = f"a number >= {low}" if high is None else f"a number from {low} to {high}"

    def check(value: str) -> None:
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10) or int(value) < low:
            raise ValueError(f"expected {wanted}")
        if high is not None and int(value) > high:
            raise ValueError(f"expected {wanted}")

    return check


def words(*known: str) -> Callable[[str], object]:
    """One of some words."""

    def check(value: str) -> None:
        if value not in known:
            raise ValueError(f"expected {' or '.join(known)}")

    return check


def duration(value: str) -> None:
    """A duration (RFC 23), or none."""
    from rosin.rfc import fsd

    if value != "none":
        try:
            fsd.parse(value)
        except FormatError:
            raise ValueError("expected a duration, such as 30s or 5m, or none") from None


def level(value: str) -> None:
    """A severity (RFC 5424), or a number below 0 for none."""
    from rosin.rfc.syslog import severity

    if value.startswith("-"):
        number(-99)(value)
        return
    try:
        severity(value)
    except FormatError:
        raise ValueError("expected a level from 0 (emerg) to 7 (debug), or -1 for no messages") from None


def topology(value: str) -> None:
    """The shape of a tree of brokers."""
    scheme, sep, number = value.partition(":")
    if scheme in ("binomial", "custom") and not sep:
        return
    if scheme == "mincrit" and (not sep or number.isdigit()):
        return
    if scheme != "kary" or not number.isdigit():
        raise ValueError("expected kary:N, mincrit, mincrit:N, binomial or custom")


def watermark(value: str) -> None:
    """A limit of messages, which ZeroMQ does not take below 2."""
    number(0)(value)
    if value == "1":
        raise ValueError("expected 0 (256) or a number >= 2")


def ranks(value: str) -> None:
    """An idset (RFC 22)."""
    from rosin.rfc.idset import Idset

    try:
        Idset(value)
    except FormatError:
        raise ValueError("expected ranks, such as 0 or 0-3") from None


def path(value: str) -> None:
    """Any path."""
    if not value:
        raise ValueError("expected the path of a directory")


def hosts(value: str) -> None:
    """A hostlist (RFC 29)."""
    from rosin.rfc.hostlist import Hostlist

    try:
        Hostlist(value)
    except FormatError as exc:
        raise ValueError(f"expected a hostlist: {exc}") from None


def host(value: str) -> None:
    """The name of one host."""
    if not value or not value.isprintable() or any(mark in value for mark in " ,[]"):
        raise ValueError("expected the name of one host")


def method(value: str) -> None:
    """How brokers find each other, perhaps with the path of a library."""
    name, found, path = value.partition(":")
    if name not in BOOT_METHODS or (found and not path):
        raise ValueError(
            f"expected {', '.join(BOOT_METHODS)}, or one of a library and its path, libpmi2:/PATH"
        )


def dump(value: str) -> None:
    """Where a dump goes."""
    from rosin.kvs.snapshot.tarball import compression

    if value not in ("", "auto"):
        try:
            compression(value)
        except OSError as exc:
            raise ValueError(f"{exc.strerror}, or auto") from None
