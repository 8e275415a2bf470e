# SPDX-License-Identifier: LGPL-3.0-or-later
"""Guests: they see and do what concerns their own jobs; those that they submit they sign."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rosin.constants import FLUX_ROLE_USER
from rosin.handle.aio import AsyncFlux
from rosin.job.submission import submit_async
from rosin.job.table.attributes import USERID, Row
from rosin.rest.instance import InstanceLink
from rosin.rest.mirror import Mirror
from rosin.rest.problem import Problem, unavailable
from rosin.rfc.urgency import guest_may_set

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from rosin.rest.auth.identity import Identity


def guest_of(request: HTTPConnection) -> int | None:
    """The account of a guest who asks; None for the owner."""
    identity: Identity | None = request.scope.get("rosin.identity")
    return None if identity is None or identity.owner else identity.userid


def account_of(request: HTTPConnection) -> int:
    """The account whose jobs those would be that are submitted."""
    guest = guest_of(request)
    return os.getuid() if guest is None else guest


def is_own(row: Row, guest: int | None) -> bool:
    """Whether all of a job may be told to who asks."""
    return guest is None or row[USERID] == guest


def check_own(mirror: Mirror, jobids: Iterable[int], guest: int | None) -> None:
    """Raises Problem 403 for a job that is not the guest's."""
    for jobid in jobids:
        row = mirror.row(jobid)
        if row is not None and not is_own(row, guest):
            raise Problem(403, "this is the job of another user")


def check_urgency(value: int, guest: int | None, now: int) -> None:
    """Raises Problem 403 for an urgency that only the owner may give."""
    if guest is not None and not guest_may_set(value, now):
        raise Problem(403, "only the owner of the instance may raise an urgency above 16")


async def submit_signed(
    instance: InstanceLink, signed: str, urgency: int, flags: Iterable[str], guest: int | None
) -> int:
    """Hand on what a guest has signed (RFC 39) in the guest's name: the instance looks whether it is theirs.

    Returns the id. Raises Problem.
    """
    credential = None if guest is None else (guest, FLUX_ROLE_USER)
    try:
        handle = await AsyncFlux.connect(instance.settings.uri, credential=credential)
    except OSError as exc:
        raise unavailable(exc.strerror or str(exc)) from None
    keywords = dict.fromkeys(flags, True)
    try:
        reply = await instance.answer(submit_async(handle, signed, urgency, pre_signed=True, **keywords))
    finally:
        await handle.close()
    return int(reply["id"])
